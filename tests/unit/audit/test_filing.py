"""What is read of an event's bytes, where it is filed, and what a cause says."""

from datetime import UTC, date, datetime
from uuid import UUID

import pytest

from services.audit.archive import cohort_of, label, partition_name, read
from services.audit.views import Cause, CauseKind, cause_of

TOLD = (
    b'{"specversion":"1.0","id":"3aca2949-e474-5292-b97a-af9f0a85e651","source":"/bihuan/intake",'
    b'"type":"case.accepted.v1","subject":"s","time":"2025-10-18T00:30:00.000001Z",'
    b'"sequence":"3","previous":"' + b"ab" * 32 + b'","data":{}}'
)


def test_an_envelope_is_read_once_and_whole() -> None:
    seen = read(TOLD)
    assert seen is not None
    assert (seen.source, seen.subject, seen.type) == ("/bihuan/intake", "s", "case.accepted.v1")
    assert seen.sequence == 3
    assert seen.previous == b"\xab" * 32
    assert seen.time == datetime(2025, 10, 18, 0, 30, 0, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("was", "now"),
    [
        (b"{", b""),
        (b'"sequence":"3"', b'"sequence":3'),
        (b'"sequence":"3"', b'"sequence":"0"'),
        (b'"sequence":"3"', b'"sequence":"-1"'),
        (b'"sequence":"3"', '"sequence":"³"'.encode()),
        (b'"sequence":"3"', b'"sequence":"9999999999999999999"'),
        (b'"sequence":"3",', b""),
        (b"ab" * 32, b"ab" * 31 + b"xy"),
        (b"ab" * 32, b"ab" * 31),
        (b"00:30:00.000001Z", b"00:30:00.000001+"),
        (b"2025-10-18T", b"2025-13-18T"),
        (b'"source":', b'"sauce":'),
        (b'"subject":"s"', b'"subject":["s"]'),
        (b'"data":{}', b'"data":{"words":}'),
        (b'"data":{}', b'"data":{"words":"\xff"}'),
        (b'"data":{}', b'"data":{"words":"\\ud800"}'),
        (b'"data":{}', b'"data":' + b"[" * 1_000 + b"]" * 1_000),
        (b'"data":{}}', b'"data":{}}}'),
    ],
)
def test_bytes_that_are_not_an_event_of_ours_are_not_read(was: bytes, now: bytes) -> None:
    assert was in TOLD
    assert read(TOLD.replace(was, now)) is None


def test_of_a_name_that_stands_twice_the_last_counts_as_for_every_other_reader() -> None:
    seen = read(TOLD.replace(b'"data":{}', b'"data":{},"subject":"t"'))
    assert seen is not None
    assert seen.subject == "t"


@pytest.mark.parametrize("value", [b"", b"null", b"[]", b"\xff\xfe", b'"text"', b"17"])
def test_other_bytes_are_not_read_either(value: bytes) -> None:
    assert read(value) is None


@pytest.mark.parametrize(
    ("instant", "cohort"),
    [
        (datetime(2025, 9, 30, 15, 59, 59, 999999, tzinfo=UTC), date(2025, 9, 1)),
        (datetime(2025, 9, 30, 16, 0, tzinfo=UTC), date(2025, 10, 1)),
        (datetime(2025, 12, 31, 16, 0, tzinfo=UTC), date(2026, 1, 1)),
    ],
)
def test_a_cohort_is_a_month_in_shanghai(instant: datetime, cohort: date) -> None:
    assert cohort_of(instant) == cohort


def test_a_cohort_has_a_table_of_its_own() -> None:
    assert partition_name(date(2025, 9, 1)) == "archive_2025_09"


def test_no_label_can_stop_the_archive() -> None:
    assert label("/bihuan/intake") == "/bihuan/intake"
    assert label("x" * 200) == "x" * 200
    assert label("x" * 201).startswith("sha256:")
    assert "\0" not in label("a\0b")
    assert label("a\0b") != label("a\0c")


EVENT = str(UUID(int=7))


@pytest.mark.parametrize(
    ("causation", "cause"),
    [
        (EVENT, Cause(CauseKind.EVENT, EVENT)),
        ("message:sms sms-20251011-1", Cause(CauseKind.MESSAGE, "sms sms-20251011-1")),
        ("key:9b02", Cause(CauseKind.COMMAND, "9b02")),
        ("request", Cause(CauseKind.COMMAND, "request")),
        (f"timer:{EVENT}:accept:1", Cause(CauseKind.TIMER, "accept:1")),
        ("operator:admin-1", Cause(CauseKind.OPERATOR, "admin-1")),
        ("seed:words", Cause(CauseKind.SEED, "words")),
        ("record:log/3/99", Cause(CauseKind.RECORD, "log/3/99")),
        ("test", Cause(CauseKind.OTHER, "test")),
        ("", Cause(CauseKind.OTHER, "")),
    ],
)
def test_a_cause_says_what_sort_of_thing_it_is(causation: str, cause: Cause) -> None:
    assert cause_of(causation) == cause
