"""Kafka's jars get into the cache whole and checked, or not at all."""

import hashlib
from pathlib import Path

import pytest

from infra.local import KafkaUnavailable
from infra.local import kafka_jars as jars

MAVEN = """#!/bin/sh
for argument in "$@"; do
  case $argument in -DoutputDirectory=*) folder=${argument#*=} ;; esac
done
echo "[INFO] Downloaded from central: https://repository.example/org/one-1.jar (1 kB at 1 kB/s)"
"""


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty cache, and one jar `one-1.jar` with the bytes `good` that is expected in it."""
    digests = tmp_path / "jars.sha256"
    digests.write_text(f"{hashlib.sha256(b'good').hexdigest()}  one-1.jar\n")
    monkeypatch.setattr(jars, "DIGESTS", digests)
    monkeypatch.setenv("BIHUAN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def maven_that(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, does: str) -> None:
    program = tmp_path / "bin" / "mvn"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f"{MAVEN}{does}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")


def test_what_maven_brings_is_kept_and_maven_not_asked_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cache: Path
) -> None:
    maven_that(monkeypatch, tmp_path, 'printf good > "$folder/one-1.jar"')
    said: list[str] = []
    folder = jars.provide_jars(lambda _part, line: said.append(line))
    assert folder.parent == cache
    assert (folder / "one-1.jar").read_bytes() == b"good"
    assert "fetched 1 of 1: one-1.jar" in said
    maven_that(monkeypatch, tmp_path, "exit 1")
    assert jars.provide_jars() == folder


@pytest.mark.parametrize(
    ("does", "problem"),
    [
        ('printf evil > "$folder/one-1.jar"', r"wrong \['one-1.jar'\]"),
        (":", r"missing \['one-1.jar'\]"),
        ('printf good > "$folder/one-1.jar"; printf x > "$folder/two.jar"', r"wrong \['two.jar'\]"),
        ('printf good > "$folder/one-1.jar"; echo "[ERROR] no route"; exit 1', r"no route"),
    ],
)
def test_anything_else_is_refused_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cache: Path, does: str, problem: str
) -> None:
    maven_that(monkeypatch, tmp_path, does)
    with pytest.raises(KafkaUnavailable, match=problem):
        jars.provide_jars()
    assert not jars.have_jars()
    assert [path.name for path in cache.iterdir()] == ["kafka.lock"]


def test_without_maven_it_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cache: Path
) -> None:
    del cache
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(KafkaUnavailable, match="apt install maven"):
        jars.provide_jars()
