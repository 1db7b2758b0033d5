"""Every service hears a purge: its streams go with all that showed them, or it says why not."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts.housekeeping import CohortPurged, Head, PurgeApproved, PurgeWithdrawn
from libs.decider import Command, Context, Decider, Event, State, To
from libs.eventlog.envelope import Origin, digest
from libs.eventlog.purging import StreamPurged, StreamWithheld
from libs.eventlog.service import Service
from libs.eventlog.work import partition_of
from libs.messaging.app import App
from libs.messaging.parking import OnlyReplay, Parking, StillFails, listed
from libs.messaging.stepping import Stepper
from libs.timekeeping.clock import SteppedClock
from tests.again import made_again
from tests.e2e.rebuilt import everything
from tests.integration.keeper.purges import KEY, OTHER_KEY, public, purge, written
from tests.integration.runtime.toys import (
    KEEPING,
    START,
    TYPES,
    Snatch,
    ball,
    catcher,
    make_app,
    stored,
    throw_ball,
    thrower,
)
from tests.stack import Room, emptied, room

NEXT_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(2, 34)))
NO_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(3, 35)))
STRANGE_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(4, 36)))
SIGNED_BY_ANOTHER = "nothing is purged: its signature is not the key's"


class Bury(Command):
    event: CohortPurged | PurgeApproved | PurgeWithdrawn


@dataclass(frozen=True, slots=True)
class Grave(State):
    buried: int = 0


def bury(_grave: Grave | None, command: Bury, _context: Context) -> Sequence[Event]:
    return [command.event]


def undertaker() -> Service:
    """Stands for audit: puts a purge on record."""
    return Service(
        name="audit",
        deciders=(
            Decider(
                kind="cohort",
                commands=(Bury,),
                events=(CohortPurged, PurgeApproved, PurgeWithdrawn),
                decide=bury,
                evolve=lambda grave, _recorded: Grave((grave or Grave()).buried + 1),
                subject_is_id=False,
            ),
        ),
        types=TYPES,
        housekeeping=KEEPING,
    )


@dataclass(frozen=True, slots=True)
class Town:
    """Thrower, catcher and undertaker, on a stepped clock."""

    where: Room
    apps: list[App]
    clock: SteppedClock
    keys: Path

    async def settle(self) -> None:
        await Stepper([one for one in self.apps if not one._stopped], self.clock).settle()

    async def throw(self, *subjects: str) -> None:
        for subject in subjects:
            await throw_ball(self.apps[0], subject)
        await self.settle()

    async def throw_and_drop(self, *subjects: str) -> None:
        """Two events of the thrower each, one of the catcher; then it may be thrown again."""
        await self.throw(*subjects)
        await Stepper(self.apps, self.clock).run_until(self.clock.now() + timedelta(minutes=31))

    def counts(self, subject: str) -> list[int]:
        """How many events thrower and catcher have of a ball."""
        return [len(stored(app, subject)) for app in self.apps[:2]]

    def heads(self, *subjects: str) -> list[Head]:
        found = []
        for app in self.apps[:2]:
            with app.store.connection() as conn:
                for subject in subjects:
                    row = conn.execute(
                        "SELECT originator_version, state FROM stored_events "
                        "WHERE originator_id = %s ORDER BY originator_version DESC LIMIT 1",
                        (UUID(subject),),
                    ).fetchone()
                    assert row is not None
                    found.append(
                        Head(
                            source=app.service.source,
                            subject=subject,
                            sequence=row["originator_version"],
                            digest=digest(bytes(row["state"])),
                        )
                    )
        return sorted(found, key=lambda head: (head.source, head.subject))

    async def bury(self, cohort: str, heads: Sequence[Head], **more: Any) -> None:
        event = purge(*heads, cohort=cohort, **more)["data"]
        await self.tell(cohort, CohortPurged.model_validate(event))

    async def approve(self, cohort: str, heads: Sequence[Head]) -> None:
        told = {"cohort": cohort, "part": 1, "parts": 1, "plan": "ab" * 32, "by": "auditor:a-2"}
        asked = ("/bihuan/thrower", "/bihuan/catcher", "/bihuan/audit")
        await self.tell(
            cohort, PurgeApproved.model_validate({**told, "heads": tuple(heads), "asked": asked})
        )

    async def tell(self, cohort: str, event: CohortPurged | PurgeApproved | PurgeWithdrawn) -> None:
        to = To(f"purge:{cohort}", Bury(at=self.clock.now(), event=event))
        app = self.apps[2]
        await app.in_thread(
            app.writer.transact, lambda work: work.apply(to, Origin("test", "auditor:a-2"))
        )
        await self.settle()

    def answers(self, cohort: str) -> list[tuple[str, str, list[str]]]:
        """What each service answered about a month: (service, step, kept), as it came."""
        found = []
        for app in self.apps:
            with app.store.connection() as conn:
                rows = conn.execute(
                    "SELECT convert_from(state, 'UTF8')::jsonb -> 'data' AS told "
                    "FROM stored_events WHERE topic = 'purge.answered.v1' ORDER BY notification_id"
                ).fetchall()
            told = [row["told"] for row in rows if row["told"]["cohort"] == cohort]
            found += [(app.service.name, one["step"], one["kept"]) for one in told]
        return found

    def rows(self, subject: str) -> dict[str, int]:
        """How many rows the thrower has of a ball, by table; tables without any are left out."""
        found = {}
        with self.apps[0].store.connection() as conn:
            for table, column in (("hand", "ball"), ("seen", "ball"), ("timer", "subject")):
                row = conn.execute(
                    f"SELECT count(*) AS n FROM {table} WHERE {column}::text = %s", (subject,)
                ).fetchone()
                if row and row["n"]:
                    found[table] = int(row["n"])
        return found

    async def anew(self, number: int, *meanwhile: str) -> None:
        """One service stopped and started again: nothing is remembered but what is on record.

        `meanwhile`: statements to run in its database while it is stopped.
        """
        await self.apps[number].stop()
        name = self.apps[number].service.name
        with psycopg.connect(self.where.dsns[name], autocommit=True) as conn:
            for statement in meanwhile:
                conn.execute(statement.encode())
        service = (thrower, catcher, undertaker)[number]()
        self.apps[number] = make_app(service, self.where, self.keys, self.clock)
        await self.apps[number].start()
        await self.settle()


def trust(where: Room, key: Ed25519PrivateKey) -> None:
    for dsn in where.dsns.values():
        with psycopg.connect(dsn) as conn:
            conn.execute("SELECT keeper.trust_purge_key(%s)", (written(public(key)),))


@asynccontextmanager
async def town(where: Room, keys: Path) -> AsyncIterator[Town]:
    clock = SteppedClock(START)
    trust(where, KEY)
    makers = (thrower, catcher, undertaker)
    apps = [make_app(maker(), where, keys, clock) for maker in makers]
    await asyncio.gather(*(app.start() for app in apps))
    made = Town(where, apps, clock, keys)
    try:
        yield made
    finally:
        await asyncio.gather(*(app.stop() for app in made.apps))


async def its_streams_go_with_all_that_showed_them(town: Town) -> None:
    gone, stays = ball(1), ball(2)
    await town.throw(gone, stays)
    assert town.rows(gone) == town.rows(stays) == {"hand": 1, "seen": 1, "timer": 1}
    heads = town.heads(gone)
    await town.bury("2025-10", heads)
    for app in town.apps[:2]:
        assert stored(app, gone) == []
        assert len(stored(app, stays)) == 1
        assert UUID(gone) not in app.store._cache
    assert town.rows(gone) == {}
    assert town.rows(stays) == {"hand": 1, "seen": 1, "timer": 1}
    await town.bury("2025-10", heads)  # heard twice is heard once
    assert [await app.query(listed, None, 9) for app in town.apps] == [[], [], []]


async def nothing_is_added_to_what_is_gone(town: Town) -> None:
    """Neither by a command, nor by what is heard late, nor in an instance that remembers it."""
    gone = ball(3)
    await town.throw(gone)
    heads = town.heads(gone)
    await town.bury("2025-10", heads)
    with pytest.raises(StreamPurged):
        await throw_ball(town.apps[0], gone)
    await town.anew(0)
    with pytest.raises(StreamPurged):
        await throw_ball(town.apps[0], gone)
    for number in (0, 1):
        # As after a restore from before anything was heard: the log tells all of it again.
        await town.anew(number, "UPDATE inbox_offset SET next = 0", "DELETE FROM inbox_taken")
    assert stored(town.apps[1], gone) == []
    assert town.rows(gone) == {}
    assert len(stored(town.apps[1], ball(2))) == 1
    assert town.rows(ball(2)) == {"hand": 1, "seen": 1, "timer": 1}


async def a_refusal_is_on_record_and_may_be_mended(town: Town) -> None:
    """Without parking it would be heard, fail, and nobody would know: the streams just stay."""
    stays, waits = ball(4), ball(5)
    await town.throw(stays, waits)
    await town.bury("2025-11", town.heads(stays), key=OTHER_KEY, part=1, parts=2)
    await town.bury("2025-11", town.heads(waits), part=2, parts=2)
    for app in town.apps[:2]:
        assert len(stored(app, stays)) == len(stored(app, waits)) == 1
        (parked,) = await app.query(listed, None, 9)
        assert (parked["subject"], parked["error_kind"]) == ("purge:2025-11", "purge-refused")
        assert parked["detail"] == "nothing is purged: its key is not trusted here"
        assert parked["waiting"] == 1
        with pytest.raises(StillFails, match="not trusted here"):
            await parking(town, app).replay("purge:2025-11", "operator:o-1", "again")
        with pytest.raises(OnlyReplay, match="its key is not trusted here"):
            await parking(town, app).discard("purge:2025-11", "operator:o-1", "not wanted")
    assert town.rows(stays) == {"hand": 1, "seen": 1, "timer": 1}
    with town.apps[2].store.connection() as conn:
        rows = conn.execute(
            "SELECT convert_from(state, 'UTF8')::jsonb ->> 'id' AS id FROM stored_events"
        ).fetchall()
    ids = [row["id"] for row in rows]
    assert len(ids) == len(set(ids)), "its own note on the purge has the id of none of its events"

    trust(town.where, OTHER_KEY)
    for app in town.apps[:2]:
        settled = await parking(town, app).replay("purge:2025-11", "operator:o-1", "key entered")
        assert (len(settled.released), settled.left) == (2, 0)
        assert stored(app, stays) == stored(app, waits) == []
    assert town.rows(stays) == town.rows(waits) == {}
    await town.settle()


async def only_what_is_forged_can_be_given_up(town: Town) -> None:
    """Else the others delete, and one service keeps or withholds for ever."""
    subject = ball(91)
    await town.throw(subject)
    heads = town.heads(subject)
    by_another = purge(*heads, cohort="2027-01", key=OTHER_KEY)["data"]["signature"]
    forged = CohortPurged.model_validate(
        {**purge(*heads, cohort="2027-01")["data"], "signature": by_another}
    )
    await town.tell("2027-01", forged)
    told = {"cohort": "2027-01", "plan": "ab" * 32, "ground": "forged", "by": "auditor:a-1"}
    await town.tell("2027-01", PurgeWithdrawn.model_validate(told))
    await town.bury("2027-02", heads, key=STRANGE_KEY)
    for app in town.apps[:2]:
        first, second = await app.query(listed, None, 9)
        assert (first["detail"], first["waiting"]) == (SIGNED_BY_ANOTHER, 1)
        assert second["detail"] == "nothing is purged: its key is not trusted here"
        settled = await parking(town, app).discard("purge:2027-01", "operator:o-1", "forged")
        assert (len(settled.discarded), len(settled.released)) == (1, 1)
        with pytest.raises(OnlyReplay, match="not trusted here"):
            await parking(town, app).discard("purge:2027-02", "operator:o-1", "forged")
    for dsn in town.where.dsns.values():
        with psycopg.connect(dsn) as conn:
            conn.execute("SELECT keeper.revoke_purge_key(%s)", (written(public(STRANGE_KEY)),))
    for app in town.apps[:2]:
        await parking(town, app).discard("purge:2027-02", "operator:o-1", "key revoked")
        assert await app.query(listed, None, 9) == []
        assert len(stored(app, subject)) == 1
    await town.settle()
    await a_withdrawal_is_replayed(town, told)


async def a_withdrawal_is_replayed(town: Town, told: dict[str, str]) -> None:
    """It was parked, for a rule raised; given up, what it frees would be withheld for ever."""
    app, subject = town.apps[1], "purge:2027-01"
    with psycopg.connect(town.where.dsns["audit"]) as conn:
        row = conn.execute(
            "SELECT state FROM stored_events WHERE topic = 'purge.withdrawn.v1' "
            "AND convert_from(state, 'UTF8')::jsonb -> 'data' ->> 'ground' = %s",
            (told["ground"],),
        ).fetchone()
    assert row is not None
    with psycopg.connect(town.where.dsns["catcher"], autocommit=True) as conn:
        conn.execute(
            "INSERT INTO parked VALUES ('log', 0, 998, %s, '/bihuan/audit', 'w', '1', 'parked', "
            "'raised', 'x', %s)",
            (subject, row[0]),
        )
        app.writer.refresh()
        with pytest.raises(OnlyReplay):
            await parking(town, app).discard(subject, "operator:o-1", "not wanted")
        settled = await parking(town, app).replay(subject, "operator:o-1", "mended")
        assert len(settled.released) == 1
        conn.execute("DELETE FROM parked WHERE record_offset = 998")
    await town.settle()


async def what_is_taken_up_before_all_have_heard_stays_and_the_rest_goes(town: Town) -> None:
    """Issue 5, open: a record between the approval and its being heard parked it all for ever."""
    taken_up, goes = ball(6), ball(9)
    await town.throw_and_drop(taken_up, goes)
    heads = town.heads(taken_up, goes)
    await town.throw_and_drop(taken_up)
    await town.approve("2025-12", heads)
    kept = [taken_up]
    assert town.answers("2025-12") == [
        ("thrower", "withheld", kept),
        ("catcher", "withheld", kept),
        ("audit", "withheld", []),
    ]
    await town.throw_and_drop(taken_up)
    found = [town.apps[0].store.find("hand", (("ball", UUID(one)),)) for one in (taken_up, goes)]
    assert [len(rows) for rows in found] == [1, 0], "who looks finds no more what is withheld"
    with pytest.raises(StreamWithheld):
        await town.throw(goes)
    await town.bury("2025-12", [head for head in heads if head.subject == goes])
    for app in town.apps[:2]:
        assert await app.query(listed, None, 9) == []
    assert (town.counts(goes), town.counts(taken_up)) == ([0, 0], [6, 3])
    assert town.rows(goes) == {}
    assert [one for one in town.answers("2025-12") if one[1] == "gone"] == [
        (name, "gone", []) for name in ("thrower", "catcher", "audit")
    ]


async def what_is_withheld_is_free_again_when_it_is_withdrawn_or_spoken_of(town: Town) -> None:
    subject, other = ball(11), ball(12)
    await town.throw_and_drop(subject, other)
    await town.approve("2026-02", town.heads(subject))
    with pytest.raises(StreamWithheld):
        await town.throw(subject)
    told = {"cohort": "2026-02", "plan": "ab" * 32, "ground": "held", "by": "auditor:a-1"}
    await town.tell("2026-02", PurgeWithdrawn.model_validate(told))
    await town.throw_and_drop(subject)
    assert town.counts(subject) == [4, 2]

    # What takes up is not refused, and what comes after it neither.
    await town.approve("2026-06", town.heads(subject))
    with pytest.raises(StreamWithheld):
        await town.throw(subject)
    snatch = To(subject, Snatch(at=town.clock.now()))
    await town.apps[0].in_thread(
        town.apps[0].writer.transact, lambda work: work.apply(snatch, Origin("test", "agent:1"))
    )
    await town.throw_and_drop()
    await town.throw_and_drop(subject)
    assert town.counts(subject)[0] == 8

    # The thrower ends otherwise than is said, the catcher does not: it withholds, until it hears.
    named = town.heads(other)
    wrong = [
        head.model_copy(update={"sequence": head.sequence + 1})
        if head.source.endswith("thrower")
        else head
        for head in named
    ]
    await town.approve("2026-03", wrong)
    assert town.answers("2026-03")[:2] == [
        ("thrower", "withheld", [other]),
        ("catcher", "withheld", []),
    ]
    await town.throw_and_drop(other)
    assert town.counts(other) == [4, 2]
    assert [await app.query(listed, None, 9) for app in town.apps[:2]] == [[], []]


async def what_waits_for_a_decision_stays(town: Town) -> None:
    """Else what is parked would be gone with nobody's word on record."""
    subject, goes = ball(16), ball(17)
    await town.throw(subject, goes)
    with psycopg.connect(town.where.dsns["catcher"], autocommit=True) as conn:
        conn.execute(
            "INSERT INTO parked VALUES ('log', 0, 999, %s, '', 'r', '', 'parked', 'raised', '')",
            (subject,),
        )
        await town.approve("2026-05", town.heads(subject, goes))
        conn.execute("DELETE FROM parked WHERE record_offset = 999")
    assert town.answers("2026-05") == [
        ("thrower", "withheld", []),
        ("catcher", "withheld", [subject]),
        ("audit", "withheld", []),
    ]
    told = {"cohort": "2026-05", "plan": "ab" * 32, "ground": "parked", "by": "auditor:a-1"}
    await town.tell("2026-05", PurgeWithdrawn.model_validate(told))


async def what_ends_elsewhere_stays_in_the_service_where_it_does(town: Town) -> None:
    """It was never withheld, as after a restore: the service says so, and nothing is parked."""
    subject, goes = ball(14), ball(15)
    await town.throw(subject, goes)
    heads = town.heads(subject, goes)
    wrong = [
        head.model_copy(update={"sequence": head.sequence + 1})
        if head.source.endswith("catcher") and head.subject == subject
        else head
        for head in heads
    ]
    await town.bury("2026-04", wrong)
    assert (town.counts(subject), town.counts(goes)) == ([0, 1], [0, 0])
    assert [await app.query(listed, None, 9) for app in town.apps[:2]] == [[], []]
    assert town.answers("2026-04") == [
        ("thrower", "gone", []),
        ("catcher", "gone", [subject]),
        ("audit", "gone", []),
    ]


async def what_waited_and_is_refused_in_its_turn_is_on_record(town: Town) -> None:
    """Else a service made again from the log would take it for released."""
    goes, stays = ball(7), ball(8)
    await town.throw(goes, stays)
    await town.bury("2026-01", town.heads(goes), key=NEXT_KEY, part=1, parts=2)
    await town.bury("2026-01", town.heads(stays), key=NO_KEY, part=2, parts=2)
    trust(town.where, NEXT_KEY)
    for app in town.apps[:2]:
        settled = await parking(town, app).replay("purge:2026-01", "operator:o-1", "key entered")
        assert (len(settled.released), settled.left) == (1, 1)
        assert stored(app, goes) == []
        assert len(stored(app, stays)) == 1
    await town.settle()


async def made_again_it_is_the_same(town: Town, number: int) -> None:
    """Kafka has the purged records yet; the purge lies behind them, and is carried out again."""
    app = town.apps[number]
    dsn = town.where.dsns[app.service.name]
    await app.stop()
    before = everything(dsn)
    assert before["purged"]
    assert len(before["withheld"]) == 1
    for whole in (False, True):
        if whole:
            emptied(dsn)
        else:
            withheld(dsn, "INSERT INTO withheld VALUES (%s, 'purge:2025-12')", (ball(19),))
            withheld(dsn, LATE, {"gone": ball(1), "like": ball(2)})
        await again(town, (thrower, catcher)[number](), whole=whole)
        if not whole:
            gone = withheld(dsn, "DELETE FROM withheld WHERE purge = 'purge:2025-12' RETURNING 1")
            assert gone == [(1,)], "an older purge of that month lifts nothing of this one"
            late = "DELETE FROM stored_events WHERE originator_id = %s RETURNING 1"
            assert withheld(dsn, late, (ball(1),)) == [(1,)], "what came late of a purged one stays"
        assert everything(dsn) == before


LATE = (
    "INSERT INTO stored_events (originator_id, originator_version, topic, state) "
    "SELECT %(gone)s::text::uuid, 99, topic, convert_to(replace(convert_from(state, 'UTF8'), "
    "%(like)s::text, %(gone)s::text), 'UTF8') FROM stored_events "
    "WHERE originator_id = %(like)s::text::uuid LIMIT 1"
)


def withheld(dsn: str, statement: str, given: Any = ()) -> list[Any]:
    """What a purge that is under way withholds, while the views are made again."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        done = conn.execute(statement, given)
        return done.fetchall() if done.description else []


async def again(town: Town, service: Service, *, whole: bool = True) -> None:
    await made_again(
        service,
        town.where.service_dsns[service.name],
        town.where.bootstrap,
        topic=f"{town.where.prefix}complaints.log",
        topic_id=town.apps[2].inbox.topic_id,
        partitions=town.where.topics[0].partitions,
        whole=whole,
    )


def alone(town: Town, number: int, cohorts: Sequence[str]) -> str:
    """A ball from this number on in whose partition no purge of these months is told of."""
    partitions = town.where.topics[0].partitions
    told = {partition_of(f"purge:{cohort}", partitions) for cohort in cohorts}
    return next(
        one for one in map(ball, range(number, 99)) if partition_of(one, partitions) not in told
    )


async def approved_and_withheld(town: Town) -> str:
    """Decision 0021: from here on nothing is added to it, whatever becomes of the databases."""
    months = [f"2025-{number}" for number in (10, 11, 12)]
    subject = alone(town, 20, [*months, *(f"2026-0{number}" for number in range(1, 10))])
    await town.throw_and_drop(subject)
    await town.approve("2026-08", town.heads(subject))
    return subject


async def made_again_it_still_withholds(town: Town, subject: str) -> None:
    """The inbox of a service made again goes back to the last thing that led to something, and
    hears again what the purge knew of: that takes nothing up."""
    await started_again(town)
    heads = town.heads(subject)
    for name in ("thrower", "catcher"):
        there = withheld(town.where.dsns[name], "SELECT subject, purge FROM withheld")
        assert there == [(subject, "purge:2026-08")], name
    with pytest.raises(StreamWithheld):
        await town.throw(subject)
    await town.bury("2026-08", heads)
    assert town.counts(subject) == [0, 0]
    assert sorted(town.answers("2026-08")) == sorted(
        (name, step, [])
        for name in ("thrower", "catcher", "audit")
        for step in ("withheld", "gone")
    )


async def what_it_had_not_answered_it_answers_when_it_is_made_again(town: Town) -> None:
    """Else the purge would wait for it for ever. One that keeps the whole log hears nothing of it
    again, so it answers while it is made; another one when it hears it."""
    subject = ball(18)
    await town.throw_and_drop(subject)
    heads = town.heads(subject)
    for number in (0, 1):
        await town.apps[number].stop()
    await town.approve("2026-09", heads)
    keeps = replace(catcher(), archive=lambda _conn, _records: None)
    for service in (thrower(), keeps):
        emptied(town.where.dsns[service.name])
        await again(town, service)
    said = "SELECT count(*) FROM stored_events WHERE topic = 'purge.answered.v1' AND "
    said += "convert_from(state, 'UTF8')::jsonb -> 'data' ->> 'cohort' = '2026-09'"
    assert withheld(town.where.dsns["catcher"], said) == [(1,)]
    await started_again(town)
    with pytest.raises(StreamWithheld):
        await town.throw(subject)
    assert sorted(town.answers("2026-09")) == [
        (name, "withheld", []) for name in ("audit", "catcher", "thrower")
    ]


async def started_again(town: Town) -> None:
    for number in (0, 1):
        await town.anew(number)


def parking(town: Town, app: App) -> Parking:
    return Parking(app.writer, town.where.bootstrap)


def test_a_purge_is_heard_by_every_service(tmp_path: Path) -> None:
    """One town for all scenes: starting it costs more than playing them."""

    async def play(where: Room) -> None:
        async with town(where, tmp_path) as made:
            await its_streams_go_with_all_that_showed_them(made)
            await nothing_is_added_to_what_is_gone(made)
            await a_refusal_is_on_record_and_may_be_mended(made)
            await only_what_is_forged_can_be_given_up(made)
            await what_is_taken_up_before_all_have_heard_stays_and_the_rest_goes(made)
            await what_is_withheld_is_free_again_when_it_is_withdrawn_or_spoken_of(made)
            await what_waits_for_a_decision_stays(made)
            await what_ends_elsewhere_stays_in_the_service_where_it_does(made)
            await what_waited_and_is_refused_in_its_turn_is_on_record(made)
            waits = await approved_and_withheld(made)
            await made_again_it_is_the_same(made, 0)
            await made_again_it_is_the_same(made, 1)
            await made_again_it_still_withholds(made, waits)
            await what_it_had_not_answered_it_answers_when_it_is_made_again(made)

    with room(("thrower", "catcher", "audit")) as where:
        asyncio.run(play(where))
