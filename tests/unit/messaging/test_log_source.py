"""L by the inbox rule, from any source: once each, in order, and what is missing is named."""

from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest

from libs.eventlog.envelope import Origin, encode
from libs.eventlog.service import LogRecord
from libs.messaging.copying import Excuses
from libs.messaging.log_lines import (
    ArchiveShort,
    FilePages,
    LogEnds,
    NotALog,
    PartitionEnd,
    archived,
    from_line,
    to_line,
    write_lines,
)
from libs.messaging.log_source import (
    Accepted,
    Log,
    LogGap,
    LogPlace,
    Missing,
    quiet,
    refuse_missing,
)
from libs.messaging.position import Position, RelayHeaders
from libs.messaging.spool import Spool
from tests.integration.runtime.toys import KEEPING, START, catcher

THROWER = "/bihuan/thrower"


def record(offset: int, at: str, after: str, *, life: int = 1, partition: int = 0) -> Accepted:
    """A record of the thrower."""
    headers = RelayHeaders("ball.thrown.v1", THROWER, Position.parse(at), Position.parse(after))
    return Accepted(partition, LogPlace(life, offset), headers, "ball", b'{"id":"x"}')


class Told:
    """A source that tells these, some at each call."""

    def __init__(self, *calls: list[Accepted]) -> None:
        self.calls = list(calls)

    def read(self, _progress: Any) -> Iterator[Accepted]:
        return iter(self.calls.pop(0))

    def close(self) -> None:
        """Holds nothing."""


def offsets(log: Log) -> list[int]:
    return [one.place.offset for one in log.read()]


def test_each_record_counts_once_whatever_is_told_again() -> None:
    log = Log(
        Told(
            [record(0, "1-1", "0-0"), record(1, "1-1", "0-0"), record(2, "1-4", "1-1")],
            [record(3, "1-4", "1-1"), record(4, "1-5", "1-4")],
        )
    )
    assert (offsets(log), offsets(log)) == ([0, 2], [4])
    assert (log.missing, log.records) == ([], 3)


def test_a_topic_made_anew_tells_everything_again_and_goes_on() -> None:
    """Its relay begins at the first position, after none (Relay)."""
    first = [record(7, "1-1", "0-0"), record(8, "1-2", "1-1")]
    again = [record(0, "1-1", "0-0", life=2), record(1, "1-2", "1-1", life=2)]
    log = Log(Told([*first, *again, record(2, "1-3", "1-2", life=2)]))
    assert [one.place for one in log.read()] == [(1, 7), (1, 8), (2, 2)]
    assert log.missing == []


def test_what_is_missing_is_refused_by_name() -> None:
    log = Log(Told([record(0, "1-1", "0-0"), record(1, "1-9", "1-8")]))
    offsets(log)
    assert log.missing == [Missing(0, THROWER, Position(1, 1), Position(1, 8))]
    with pytest.raises(LogGap, match=r"partition 0: /bihuan/thrower 1-1 .* after 1-8.*archive"):
        refuse_missing(log.missing)


def test_a_log_that_begins_late_is_refused() -> None:
    log = Log(Told([record(5, "1-6", "1-5")]))
    offsets(log)
    with pytest.raises(LogGap):
        refuse_missing(log.missing)


@pytest.mark.parametrize(("source", "excused"), [("catcher", True), ("thrower", False)])
def test_a_gap_that_the_service_itself_resolved_is_no_fault(source: str, excused: bool) -> None:
    data = {
        "source": THROWER,
        "partition": 0,
        "after": "1-1",
        "upto": "1-8",
        "by": "admin:1",
        "reason": "restored",
    }
    value, _ = encode(
        KEEPING.gap_resolved.model_validate(data),
        source=f"/bihuan/{source}",
        subject=f"{THROWER}#0",
        sequence=1,
        previous="0" * 64,
        time=START,
        origin=Origin("operator:1", "admin:1"),
    )
    headers = RelayHeaders(
        KEEPING.gap_resolved.type, f"/bihuan/{source}", Position(1, 1), Position(0, 0)
    )
    excuses = Excuses(catcher())
    excuses.hear(Accepted(3, LogPlace(1, 0), headers, f"{THROWER}#0", value))
    missing = [Missing(0, THROWER, Position(1, 1), Position(1, 8))]
    assert excuses.without(missing) == ([] if excused else missing)


def test_a_spool_gives_back_what_was_put_in_as_often_as_it_is_read() -> None:
    put = [record(number, f"1-{number + 1}", f"1-{number}") for number in range(3)]
    put.append(Accepted(11, LogPlace(2, 2**40), put[0].headers, "键", None))
    with Spool() as spool:
        for one in put:
            spool.add(one)
        assert list(spool) == put
        assert list(spool) == put


# -- the archive's lines -------------------------------------------------------------------------


class Kept:
    """An archive of these records, handed out two by two."""

    def __init__(self, records: list[Accepted], ends: list[PartitionEnd]) -> None:
        self.records = records
        self.told = LogEnds({1: "first", 2: "second"}, tuple(ends))

    def ends(self) -> LogEnds:
        return self.told

    def after(self, partition: int, place: LogPlace) -> list[bytes]:
        there = [one for one in self.records if (one.partition, one.place) > (partition, place)]
        return [line_of(one) for one in there if one.partition == partition][:2]


def line_of(one: Accepted) -> bytes:
    headers = one.headers
    return to_line(
        one.place.life,
        LogRecord(
            one.partition,
            one.place.offset,
            headers.source,
            headers.type,
            one.key,
            str(headers.position),
            str(headers.after),
            one.value or b"",
        ),
    )


RECORDS = [
    record(3, "1-1", "0-0"),
    record(4, "1-2", "1-1"),
    record(0, "1-3", "1-2", life=2),
    record(0, "1-4", "0-0", partition=5),
]
ENDS = [PartitionEnd(0, 2, 1, 3), PartitionEnd(5, 1, 1, 1)]


def test_a_line_says_all_that_a_record_said_even_bytes_that_are_no_text() -> None:
    one = Accepted(3, LogPlace(1, 9), RECORDS[0].headers, "键", b'{"a":"\xe4\xb8\xad"}\n')
    assert from_line(line_of(one)) == one
    strange = Accepted(3, LogPlace(1, 9), RECORDS[0].headers, "k", b"\xff\x00")
    assert from_line(line_of(strange)) == strange
    with pytest.raises(NotALog):
        from_line(b'{"partition":0}')


def test_the_archive_is_read_up_to_where_it_went_when_it_was_asked() -> None:
    later = record(1, "1-5", "1-3", life=2)
    assert list(archived(Kept([*RECORDS, later], ENDS), Kept([], ENDS).told, quiet)) == RECORDS


def test_an_archive_that_lacks_a_record_is_refused() -> None:
    with pytest.raises(ArchiveShort, match=r"partition 0: audit accepted 3 .* tells of 2"):
        list(archived(Kept(RECORDS[1:], ENDS), Kept([], ENDS).told, quiet))


def test_a_file_gives_the_same_and_half_a_file_nothing_whole() -> None:
    file = BytesIO()
    assert write_lines(file, Kept(RECORDS, ENDS)) == 4
    whole = file.getvalue()
    pages = FilePages(BytesIO(whole))
    assert list(archived(pages, pages.ends(), quiet)) == RECORDS
    for half in (whole[:-5], whole[: whole.rindex(b'{"end"')], whole[: len(whole) // 2]):
        pages = FilePages(BytesIO(half))
        with pytest.raises((NotALog, ArchiveShort)):
            list(archived(pages, pages.ends(), quiet))
    with pytest.raises(NotALog):
        FilePages(BytesIO(b"{}\n"))
