"""A person's key goes with the last record that holds their words (docs/decisions/0018)."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest

from contracts.catalogue import DECODE
from contracts.housekeeping import Head
from libs.decider import To
from libs.eventlog.envelope import Origin, decode, digest
from libs.eventlog.purging import End, Lift, Purge, StreamWithheld, Withhold
from libs.eventlog.store import Store
from libs.eventlog.work import Work
from libs.eventlog.writer import Writer
from services.intake.domain.person import Erase
from services.intake.lapsing import Lapsing, awaited, deciding
from services.intake.main import describe
from services.intake.persons import settled_complaints_of
from tests.integration.intake.desk import Desk, desk
from tests.integration.keeper.purges import KEY, public, purge, written
from tests.unit.intake.world import message

MINE, THEIRS = "13800000001", "13800000002"


@contextmanager
def trusting(folder: Path) -> Iterator[Desk]:
    """A desk whose database carries out what this key signed."""
    with desk(folder) as playing:
        with psycopg.connect(playing.owners_dsn) as conn:
            conn.execute("SELECT keeper.trust_purge_key(%s)", (written(public(KEY)),))
        yield playing


def told(playing: Desk, name: str, number: str, category: str, **more: Any) -> str:
    said = message(name, subscriber=number, category=category, **more)
    return str(playing.tell(said).json()["complaint"])


def purged(playing: Desk, complaint: str) -> None:
    """As a signed purge of the log is carried out."""
    with playing.writer.store.connection() as conn:
        row = conn.execute(
            "SELECT originator_version, state FROM stored_events WHERE originator_id = %s "
            "ORDER BY originator_version DESC LIMIT 1",
            (complaint,),
        ).fetchone()
    assert row is not None
    head = Head(
        source="/bihuan/intake",
        subject=complaint,
        sequence=row["originator_version"],
        digest=digest(bytes(row["state"])),
    )
    event = purge(head)
    end = End(head.source, complaint, head.sequence, head.digest)
    value = json.dumps(event).encode()
    carried_out = Purge(event["id"], "purge:2024-02", value, (end,), last=True)
    playing.writer.transact(lambda work: work.extra.purges.append(carried_out), always=True)


def erased(playing: Desk) -> list[tuple[str, str]]:
    with playing.writer.store.connection() as conn:
        rows = conn.execute(
            "SELECT state FROM stored_events WHERE topic = 'person.erased.v1' "
            "ORDER BY notification_id"
        ).fetchall()
    events = [json.loads(bytes(row["state"])) for row in rows]
    return [(one["subject"], one["data"]["basis"]) for one in events]


def heard(playing: Desk, answer: httpx.Response) -> None:
    """Intake hears what it has just decided, as it would from the log."""
    assert answer.is_success, answer.text
    with playing.writer.store.connection() as conn:
        rows = conn.execute(
            "SELECT state FROM stored_events WHERE topic LIKE 'complaint.%merged.v1' "
            "ORDER BY notification_id DESC LIMIT 1"
        ).fetchall()
    playing.react([decode(bytes(row["state"]), DECODE) for row in rows])


def lapse(playing: Desk, after: Callable[[], object] = lambda: None) -> None:
    """The chore, as often as it is due; `after` happens once its first decision is committed."""
    todo = [after]

    async def in_thread(call: Callable[..., Any], *args: Any) -> Any:
        done = call(*args)
        if call == playing.writer.transact and todo:
            todo.pop()()
        return done

    app: Any = SimpleNamespace(
        clock=playing.clock, store=playing.writer.store, writer=playing.writer, in_thread=in_thread
    )
    chore = Lapsing(app)
    while chore.next_due() is not None:
        asyncio.run(chore.run())


def test_a_key_goes_with_the_last_purge_and_not_before(tmp_path: Path) -> None:
    with trusting(tmp_path) as playing:
        vault = playing.channel.door._vault  # type: ignore[attr-defined]  # a FakeVault
        first = told(playing, "a", MINE, "mobile.coverage")
        second = told(playing, "b", MINE, "billing.overcharge")
        theirs = told(playing, "c", THEIRS, "billing.overcharge")
        mine, other = str(vault.persons[MINE]), str(vault.persons[THEIRS])

        purged(playing, first)
        lapse(playing)
        assert erased(playing) == []  # the second complaint still holds their words
        purged(playing, second)
        purged(playing, theirs)
        third = told(playing, "d", THEIRS, "mobile.coverage")  # before it is decided
        lapse(playing)
        assert erased(playing) == [(mine, "purpose_lapsed")]
        purged(playing, third)
        lapse(playing)
        assert erased(playing) == [(mine, "purpose_lapsed"), (other, "purpose_lapsed")]
        lapse(playing)
        assert len(erased(playing)) == 2


def test_a_purge_amid_the_decision_on_another_is_not_lost(tmp_path: Path) -> None:
    with trusting(tmp_path) as playing:
        vault = playing.channel.door._vault  # type: ignore[attr-defined]  # a FakeVault
        first = told(playing, "a", MINE, "mobile.coverage")
        second = told(playing, "b", MINE, "billing.overcharge")
        purged(playing, first)
        # decided: the second still holds their words; before that is struck out it goes too
        lapse(playing, after=lambda: purged(playing, second))
        assert erased(playing) == [(str(vault.persons[MINE]), "purpose_lapsed")]


def test_what_is_only_withheld_keeps_the_key_for_it_may_stay(tmp_path: Path) -> None:
    """Until it is known whether it goes, no erasure is decided either (docs/decisions/0021)."""
    with trusting(tmp_path) as playing:
        vault = playing.channel.door._vault  # type: ignore[attr-defined]  # a FakeVault
        first = told(playing, "a", MINE, "mobile.coverage")
        second = told(playing, "b", MINE, "billing.overcharge")
        mine = vault.persons[MINE]
        purged(playing, first)
        withheld = Withhold("purge:2024-03", (), frozenset({second}), frozenset())
        erase_while_it_is_withheld(playing, mine, withheld)
        lapse(playing)
        assert erased(playing) == []
        with pytest.raises(StreamWithheld):
            playing.writer.transact(lambda work: settled_complaints_of(mine, work))

        lifted = Lift("purge:2024-03")
        playing.writer.transact(lambda work: work.extra.purges.append(lifted), always=True)
        lapse(playing)
        assert erased(playing) == [], "the second complaint still holds their words"
        own, _ = playing.writer.transact(lambda work: settled_complaints_of(mine, work))
        assert [str(one) for one in own] == [second]
        erase = Erase(at=playing.clock.now(), basis="asked_by_the_person", complaints=own)
        playing.writer.transact(
            lambda work: work.apply(To(str(mine), erase), Origin("request", "privacy:p-1"))
        )
        ends = (End("/bihuan/intake", second, 1, "ab" * 32), End("/bihuan/audit", first, 1, ""))
        with psycopg.connect(playing.dsn) as conn:
            assert awaited(conn, ends) == [second], "what an erasure waits for is not purged yet"


def erase_while_it_is_withheld(playing: Desk, person: UUID, withheld: Withhold) -> None:
    """Another instance withholds a complaint between the decision to erase and its commit."""
    tries = []

    def decide(work: Work) -> None:
        own, _ = settled_complaints_of(person, work)
        erase = Erase(at=work.now, basis="asked_by_the_person", complaints=own)
        work.apply(To(str(person), erase), Origin("request", "privacy:p-1"))
        tries.append(len(work.recorded))
        if len(tries) == 1:
            with another_instance(playing) as other:
                other.transact(lambda work: work.extra.purges.append(withheld), always=True)

    with pytest.raises(StreamWithheld):
        playing.writer.transact(decide)
    assert tries == [1], "decided once, not committed, and refused on what is there now"


def test_a_merge_copied_the_words_so_the_key_goes_with_the_copy(tmp_path: Path) -> None:
    """Whoever purges the copy last destroys the key; and undone, the copy is still there."""
    with trusting(tmp_path) as playing:
        vault = playing.channel.door._vault  # type: ignore[attr-defined]  # a FakeVault
        survivor = told(playing, "a", THEIRS, "billing.overcharge")
        merged = told(playing, "b", MINE, "billing.overcharge")
        mine, other = str(vault.persons[MINE]), str(vault.persons[THEIRS])
        why = {"reason": "same_matter", "into": survivor, "same_customer": True}
        heard(playing, playing.post(f"/complaints/{merged}/merge", why))
        heard(playing, playing.post(f"/complaints/{merged}/unmerge", {"reason": "not_so"}))
        purged(playing, merged)
        lapse(playing)
        assert erased(playing) == []
        purged(playing, survivor)
        lapse(playing)
        assert erased(playing) == [(one, "purpose_lapsed") for one in sorted((mine, other))]


def test_who_speaks_on_another_connection_while_the_purpose_lapses_keeps_their_key(
    tmp_path: Path,
) -> None:
    """Whichever commits first: nothing is destroyed that a new complaint was sealed with."""
    with desk(tmp_path) as playing, another_instance(playing) as other:
        with psycopg.connect(playing.owners_dsn) as conn:
            conn.execute("SELECT keeper.trust_purge_key(%s)", (written(public(KEY)),))
        door = playing.channel.door
        vault = door._vault  # type: ignore[attr-defined]  # a FakeVault
        purged(playing, told(playing, "a", MINE, "mobile.coverage"))
        mine = vault.persons[MINE]
        lapses, tries = deciding(mine), []

        def while_they_speak(work: Work) -> bool:
            decided = lapses(work)
            tries.append(len(work.recorded))
            if len(tries) == 1:
                told(playing, "b", MINE, "billing.overcharge")
            return decided

        other.transact(while_they_speak)
        assert tries == [1, 0], "it had been decided, and was decided again on what is there now"
        assert erased(playing) == []

        (second,) = complaints_on_record(playing)
        purged(playing, second)
        prepare = door.prepare

        def while_it_lapses(raw: Any) -> Any:
            prepared = prepare(raw)
            door.prepare = prepare  # type: ignore[method-assign]
            assert other.transact(lapses)
            return prepared

        door.prepare = while_it_lapses  # type: ignore[method-assign]
        told(playing, "c", MINE, "billing.overcharge")
        assert erased(playing) == [(str(mine), "purpose_lapsed")]
        assert vault.persons[MINE] != mine
        said = [token for token, (_, field, _) in vault.plaintexts.items() if field == "text"]
        assert vault.opens(said[-1])
        assert not vault.opens(said[0])


@contextmanager
def another_instance(playing: Desk) -> Iterator[Writer]:
    """A second intake on the same database, with connections of its own."""
    store = Store(describe(), playing.dsn)
    try:
        writer = Writer(describe(), store, playing.clock, partitions=12)
        writer.start()
        yield writer
    finally:
        store.close()


def complaints_on_record(playing: Desk) -> list[str]:
    with playing.writer.store.connection() as conn:
        rows = conn.execute("SELECT complaint FROM complaints").fetchall()
    return [str(row["complaint"]) for row in rows]
