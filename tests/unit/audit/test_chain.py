"""Every way to tamper with a stream is found, and the tampered event is named."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.audit.domain.chain import (
    GENESIS,
    MISSING_NAMED_MAX,
    Fault,
    FaultKind,
    Head,
    Link,
    diagnose,
    follow,
)

SOURCE, SUBJECT = "/bihuan/routing", "5b0fdb9c-6f5b-5f3c-9d55-0d3c6a0a4a11"
START = datetime(2025, 10, 11, 1, 0, tzinfo=UTC)


def sound(length: int) -> tuple[list[Link], Head]:
    """A stream of so many events as it should be, and its head."""
    links: list[Link] = []
    previous = GENESIS
    for number in range(1, length + 1):
        digest = sha256(previous + bytes([number % 256])).digest()
        links.append(
            Link(number, previous, digest, START + timedelta(minutes=number), (1, 10 * number))
        )
        previous = digest
    return links, Head(length, previous, links[-1].time)


def found(links: list[Link], head: Head | None) -> list[tuple[FaultKind, int | None]]:
    return [(fault.kind, fault.sequence) for fault in diagnose(SOURCE, SUBJECT, links, head)]


def other(text: str) -> bytes:
    return sha256(text.encode()).digest()


@given(length=st.integers(1, 30), shuffle=st.randoms())
def test_a_sound_stream_has_no_fault_in_whatever_order_it_is_read(
    length: int, shuffle: object
) -> None:
    links, head = sound(length)
    shuffle.shuffle(links)  # type: ignore[attr-defined]
    assert found(links, head) == []


@given(length=st.integers(1, 30), data=st.data())
def test_a_changed_event_is_named_and_not_the_one_that_gives_it_away(
    length: int, data: st.DataObject
) -> None:
    links, head = sound(length)
    victim = data.draw(st.integers(1, length))
    links[victim - 1] = replace(links[victim - 1], digest=other("changed"))
    assert found(links, head) == [(FaultKind.CHAIN, victim)]


@given(length=st.integers(1, 30), data=st.data())
def test_an_event_rewritten_with_another_past_is_named(length: int, data: st.DataObject) -> None:
    links, head = sound(length)
    victim = data.draw(st.integers(1, length))
    links[victim - 1] = replace(
        links[victim - 1], digest=other("changed"), previous=other("another past")
    )
    assert found(links, head) == [(FaultKind.CHAIN, victim)]


@given(length=st.integers(1, 30), data=st.data())
def test_a_removed_event_is_named_the_last_one_too(length: int, data: st.DataObject) -> None:
    links, head = sound(length)
    victim = data.draw(st.integers(1, length))
    del links[victim - 1]
    assert found(links, head) == [(FaultKind.MISSING, victim)]


def test_the_last_event_removed_is_not_missed_where_no_head_is_kept() -> None:
    links, head = sound(5)
    shorter = replace(head, sequence=4, digest=links[3].digest)
    assert found(links[:4], shorter) == []  # the chain alone cannot know
    [fault] = diagnose(SOURCE, SUBJECT, links[:4], head)
    assert fault == Fault(
        FaultKind.MISSING,
        SOURCE,
        SUBJECT,
        5,
        "it was accepted and is not there; it was the last of its stream",
        links[3].time,
    )


@given(length=st.integers(2, 30), data=st.data())
def test_two_swapped_events_are_both_named(length: int, data: st.DataObject) -> None:
    links, head = sound(length)
    one = data.draw(st.integers(1, length - 1))
    two = data.draw(st.integers(one + 1, length))
    first, second = links[one - 1], links[two - 1]
    links[one - 1] = replace(first, place=second.place)
    links[two - 1] = replace(second, place=first.place)
    assert found(links, head) == [(FaultKind.SWAPPED, one), (FaultKind.SWAPPED, two)]


@given(length=st.integers(1, 30), offset=st.integers(1, 400), data=st.data())
def test_a_second_event_with_a_number_is_named_wherever_it_was_put(
    length: int, offset: int, data: st.DataObject
) -> None:
    links, head = sound(length)
    number = data.draw(st.integers(1, length))
    true = links[number - 1]
    links.append(replace(true, digest=other("forged"), place=(1, 10 * offset + 5)))
    [fault] = diagnose(SOURCE, SUBJECT, links, head)
    assert (fault.kind, fault.sequence) == (FaultKind.ADDED, number)
    assert f"offset {10 * offset + 5}" in fault.what  # the forged one, not the true one


@given(length=st.integers(1, 30))
def test_an_event_appended_behind_the_last_is_named(length: int) -> None:
    links, head = sound(length)
    longer, _ = sound(length + 1)
    assert found([*links, longer[-1]], head) == [(FaultKind.ADDED, length + 1)]


def test_a_stream_nobody_accepted_is_named_once() -> None:
    links, _ = sound(7)
    assert found(links, None) == [(FaultKind.ADDED, 1)]


def test_a_stream_taken_away_whole_is_named_event_by_event() -> None:
    _, head = sound(3)
    assert found([], head) == [(FaultKind.MISSING, number) for number in (1, 2, 3)]


def test_a_long_run_of_missing_events_is_counted_and_not_listed_for_ever() -> None:
    _, head = sound(1000)
    faults = diagnose(SOURCE, SUBJECT, [], head)
    assert len(faults) == MISSING_NAMED_MAX
    assert faults[-1].what == "it was accepted and is not there; nor are the 900 after it"


def test_a_first_event_that_claims_a_past_is_named() -> None:
    links, head = sound(1)
    assert found([replace(links[0], previous=other("past"))], head) == [(FaultKind.CHAIN, 1)]


def test_time_that_went_back_within_a_stream_is_named() -> None:
    links, head = sound(4)
    links[2] = replace(links[2], time=links[0].time)
    assert found(links, head) == [(FaultKind.TIME, 3)]


# -- behind what was purged -----------------------------------------------------------------------


def purged(links: list[Link], many: int) -> Head:
    """Where so many of these ended, of which only places and digests are left."""
    return Head(many, links[many - 1].digest, None)


@given(length=st.integers(2, 30), data=st.data())
def test_what_comes_behind_what_was_purged_goes_on_from_there(
    length: int, data: st.DataObject
) -> None:
    links, head = sound(length)
    gone = data.draw(st.integers(1, length - 1))
    left = links[gone:]
    assert diagnose(SOURCE, SUBJECT, left, head, purged(links, gone)) == []
    other_past = [replace(left[0], previous=other("past")), *left[1:]]
    [fault] = diagnose(SOURCE, SUBJECT, other_past, head, purged(links, gone))
    assert (fault.kind, fault.sequence) == (FaultKind.CHAIN, gone + 1)
    [fault] = diagnose(SOURCE, SUBJECT, links[gone - 1 :], head, purged(links, gone))
    assert (fault.kind, fault.sequence) == (FaultKind.ADDED, gone)


def test_what_is_missing_right_behind_what_was_purged_is_named_however_long_that_was() -> None:
    links, head = sound(MISSING_NAMED_MAX + 70)
    gone = MISSING_NAMED_MAX + 50
    [fault] = diagnose(SOURCE, SUBJECT, links[gone + 1 :], head, purged(links, gone))
    assert (fault.kind, fault.sequence, fault.since) == (FaultKind.MISSING, gone + 1, None)
    [fault] = follow(SOURCE, SUBJECT, purged(links, gone), links[gone + 1])
    assert (fault.kind, fault.sequence, fault.since) == (FaultKind.MISSING, gone + 1, None)


# -- on arrival -----------------------------------------------------------------------------------


def arriving(head: Head | None, link: Link) -> list[tuple[FaultKind, int | None]]:
    return [(fault.kind, fault.sequence) for fault in follow(SOURCE, SUBJECT, head, link)]


def test_the_next_event_of_a_stream_follows_its_head() -> None:
    links, _ = sound(3)
    head = None
    for link in links:
        assert arriving(head, link) == []
        head = Head(link.sequence, link.digest, link.time)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"sequence": 5}, (FaultKind.MISSING, 3)),
        ({"sequence": 2}, (FaultKind.ADDED, 2)),
        ({"sequence": 1}, (FaultKind.ADDED, 1)),
        ({"previous": GENESIS}, (FaultKind.CHAIN, 3)),
        ({"time": START}, (FaultKind.TIME, 3)),
    ],
)
def test_an_arriving_event_that_does_not_follow_is_named(
    change: dict[str, object], fault: tuple[FaultKind, int]
) -> None:
    links, _ = sound(3)
    head = Head(2, links[1].digest, links[1].time)
    assert arriving(head, links[2]) == []
    assert arriving(head, replace(links[2], **change)) == [fault]  # type: ignore[arg-type]


def test_a_stream_that_does_not_begin_with_its_first_event_lacks_it() -> None:
    links, _ = sound(3)
    assert arriving(None, links[1]) == [(FaultKind.MISSING, 1)]
    assert arriving(None, replace(links[0], previous=other("past"))) == [(FaultKind.CHAIN, 1)]
