"""Which Java is found, and which jars are meant."""

import re
import subprocess

import pytest

from infra.local import KafkaUnavailable
from infra.local import kafka_jars as jars


def java_says(monkeypatch: pytest.MonkeyPatch, words: str, status: int = 0) -> None:
    answer = subprocess.CompletedProcess(["java"], status, "", words)
    monkeypatch.setattr(
        "infra.local.kafka_jars.shutil.which", lambda *_args, **_kwargs: "/usr/bin/java"
    )
    monkeypatch.setattr("infra.local.kafka_jars.subprocess.run", lambda *_args, **_kwargs: answer)


@pytest.mark.parametrize(
    ("words", "major"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('openjdk version "21" 2023-09-19', 21),
        ('openjdk version "24-ea" 2025-03-18', 24),
        ('java version "1.8.0_292"', 8),
    ],
)
def test_a_java_tells_its_version(monkeypatch: pytest.MonkeyPatch, words: str, major: int) -> None:
    java_says(monkeypatch, words)
    java = jars.find_java()
    assert java is not None
    assert java.major == major


def test_a_stub_that_only_advertises_java_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    java_says(monkeypatch, "The operation couldn't be completed.", status=1)
    assert jars.find_java() is None


def test_a_java_too_old_for_kafka_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    java_says(monkeypatch, 'openjdk version "11.0.2" 2019-01-15')
    with pytest.raises(KafkaUnavailable, match=r"Java 11\.0\.2 is too old for Kafka 4\.1\.1"):
        jars.usable_java()


def test_every_jar_is_pinned_by_digest() -> None:
    expected = jars.expected_digests()
    assert "kafka_2.13-4.1.1.jar" in expected
    assert "kafka-clients-4.1.1.jar" in expected
    assert all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in expected.values())
    assert f"<version>{jars.KAFKA_VERSION}</version>" in jars.POM.read_text("utf-8")


def test_the_cache_is_where_it_was_asked_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/cache/somebody")
    monkeypatch.delenv("BIHUAN_CACHE", raising=False)
    assert str(jars.cache_folder()) == "/var/cache/somebody/bihuan"
    monkeypatch.setenv("BIHUAN_CACHE", "/srv/cache")
    assert str(jars.cache_folder()) == "/srv/cache"
