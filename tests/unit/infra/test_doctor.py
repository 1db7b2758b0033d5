"""The doctor says what is there, what is missing, and how to get it."""

from datetime import date
from pathlib import Path

import pytest

from infra.local import doctor
from infra.local.kafka_jars import Java


def finding(
    name: str, today: date = date(2025, 10, 9), until: date | None = None
) -> doctor.Finding:
    found = doctor.examine(Path("/nowhere/at/all"), today=today, calendar_until=until)
    [one] = [each for each in found if each.name == name]
    return one


@pytest.fixture(autouse=True)
def _calm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "find_java", lambda: Java(Path("/usr/bin/java"), "21.0.1", 21))
    monkeypatch.setattr(doctor, "find_maven", lambda: Path("/usr/bin/mvn"))
    monkeypatch.setattr(doctor, "have_jars", lambda: False)
    monkeypatch.setattr(doctor, "postgres_version", lambda: "postgres (PostgreSQL) 18.1")
    monkeypatch.setattr(doctor, "can_unroot_by_namespace", lambda _account: True)
    monkeypatch.setattr(doctor, "calendar_reaches", lambda: date(2026, 12, 31))


def test_what_is_there_needs_no_remedy() -> None:
    for name in ("python", "system", "postgresql", "java", "maven", "calendar"):
        assert finding(name).state == "ok", name
        assert finding(name).remedy == ""


def test_without_java_the_system_still_runs_but_less_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "find_java", lambda: None)
    java = finding("java")
    assert (java.state, java.found) == ("warning", "not installed")
    assert "in-memory broker" in java.remedy
    assert "请安装 Java" in java.remedy_zh


def test_an_old_java_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "find_java", lambda: Java(Path("/java"), "11.0.2", 11))
    assert (finding("java").state, finding("java").found) == ("warning", "11.0.2")


def test_maven_is_not_missed_once_kafka_is_in_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "find_maven", lambda: None)
    assert finding("maven").state == "warning"
    monkeypatch.setattr(doctor, "have_jars", lambda: True)
    assert finding("maven").state == "ok"


def test_a_calendar_about_to_end_is_said_60_days_before() -> None:
    assert finding("calendar", today=date(2026, 11, 1)).state == "ok"
    late = finding("calendar", today=date(2026, 11, 2))
    assert late.state == "warning"
    assert "2026-12-31" in late.found


def test_an_operators_own_calendar_reaches_further() -> None:
    longer = finding("calendar", today=date(2026, 11, 23), until=date(2027, 12, 31))
    assert longer.state == "ok"
    assert "2027-12-31" in longer.found


def test_whatever_is_missing_has_a_remedy_in_both_languages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(doctor, "find_java", lambda: None)
    monkeypatch.setattr(doctor, "find_maven", lambda: None)
    monkeypatch.setattr(doctor, "DISK_BYTES_MIN", 1 << 60)
    monkeypatch.setattr(doctor, "PYTHON_MIN", (9, 9))
    monkeypatch.setattr("infra.local.doctor.platform.system", lambda: "Windows")
    monkeypatch.setattr("infra.local.doctor.shutil.which", lambda _program: None)
    found = doctor.examine(Path("/nowhere"), today=date(2027, 1, 1))
    bad = [one for one in found if one.state != "ok"]
    expected = {"python", "system", "make", "java", "maven", "disk", "calendar"}
    assert {one.name for one in bad} == expected
    assert all(one.remedy and one.remedy_zh for one in bad)
