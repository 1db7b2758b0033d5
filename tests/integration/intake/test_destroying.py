"""Nothing is destroyed while something unheard, parked or standing could still keep it.

DOMAIN, Audit and retention: a legal hold stops every deletion; destroying cannot be taken back.
"""

import asyncio
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import psycopg

from contracts.housekeeping import ErasureState, StandingHoldLifted, StandingHoldPlaced
from libs.decider import Event, Recorded, To
from libs.eventlog.envelope import Origin
from libs.eventlog.recorder import ParkedRow
from libs.eventlog.work import Work
from libs.messaging.parking import Parking
from services.intake import standing_holds
from services.intake.destroying import Destroying
from services.intake.domain.person import Erase, NoteErasure
from services.intake.lapsing import Lapsing
from services.intake.views import decided_erasures
from tests.integration.intake.desk import Desk, desk
from tests.unit.intake.world import TOLD, message

SAMPLES = Path(__file__).parents[3] / "contracts" / "samples"
MINE, THEIRS = "13800000001", "13800000002"
TOPIC, TOPIC_ID = "complaints.log", "topic-1"
PARTITIONS = 12
TURNS_MAX = 5


def chores(playing: Desk, ends: dict[int, int]) -> tuple[Destroying, Lapsing]:
    """Both chores of an instance that has no partition itself; the log ends there.

    They take one person at a time.
    """

    async def in_thread(call: Callable[..., Any], *args: Any) -> Any:
        return call(*args)

    async def ends_of(topic: str, partitions: Iterable[int]) -> dict[int, int]:
        assert topic == TOPIC
        return {one: ends.get(one, 0) for one in partitions}

    app: Any = SimpleNamespace(
        clock=playing.clock,
        store=playing.writer.store,
        writer=playing.writer,
        in_thread=in_thread,
        ends_of=ends_of,
        settings=SimpleNamespace(partitions=PARTITIONS),
        inbox=SimpleNamespace(topic=TOPIC, topic_id=TOPIC_ID, progress={}),
    )
    return Destroying(app, heard_seconds_max=0, at_once=1), Lapsing(app, at_once=1)


def run(playing: Desk, ends: dict[int, int]) -> list[str]:
    """The chores once each; the modes of what is on record of erasing then."""
    for chore in chores(playing, ends):
        for _ in range(TURNS_MAX):
            if chore.next_due() is None:
                break
            asyncio.run(chore.run())
        else:
            raise AssertionError("neither done, nor tried again in a while")
    with playing.writer.store.connection() as conn:
        return sorted(str(mode) for mode, _, _ in decided_erasures(conn))


def parked(playing: Desk, subject: str, state: str) -> None:
    """A record of this subject is parked at intake, or settled."""
    row = ParkedRow(TOPIC, 1, 7, subject, "/bihuan/audit", "r", "1", state, "raised", "x", None)

    def decide(work: Work) -> None:
        work.extra.subjects[subject] = subject in work.blocked
        work.extra.parked.append(row)

    playing.writer.transact(decide, always=True)
    playing.writer.refresh()


def discarded_hold(playing: Desk, complaint: str) -> list[str]:
    """A hold of audit was parked, and its record is discarded; the events of it."""
    sample = json.loads((SAMPLES / "hold.placed.v1.json").read_bytes())
    value = json.dumps({**sample, "subject": complaint}).encode()
    row = ParkedRow(
        TOPIC, 1, 8, complaint, "/bihuan/audit", sample["id"], "2", "parked", "raised", "x", value
    )

    def decide(work: Work) -> None:
        work.extra.subjects[complaint] = complaint in work.blocked
        work.extra.parked.append(row)

    playing.writer.transact(decide, always=True)
    playing.writer.refresh()
    before = len(playing.events())
    asyncio.run(Parking(playing.writer, "").discard(complaint, "agent:1", "cannot be mended"))
    return playing.events()[before:]


def heard(playing: Desk, event: Event) -> None:
    recorded = Recorded(
        UUID(int=1), "/bihuan/audit", event.type, "standing-holds", TOLD, 1, "auditor:a", event
    )
    playing.writer.transact(
        lambda work: work.show(standing_holds.heard_rows(recorded)), always=True
    )


def offset(playing: Desk, partition: int, following: int) -> None:
    """Another instance has taken this partition so far."""
    with psycopg.connect(playing.owners_dsn) as conn:
        conn.execute(
            "INSERT INTO inbox_offset (topic, partition, topic_id, next) VALUES (%s, %s, %s, %s) "
            "ON CONFLICT (topic, partition) DO UPDATE SET next = excluded.next",
            (TOPIC, partition, TOPIC_ID, following),
        )


def test_destroyed_only_when_all_is_heard_nothing_parked_and_no_standing_hold_on(
    tmp_path: Path,
) -> None:
    with desk(tmp_path) as playing:
        complaints = [
            UUID(
                playing.tell(message(name, subscriber=MINE, category=category)).json()["complaint"]
            )
            for name, category in (("a", "mobile.coverage"), ("b", "billing.overcharge"))
        ]
        noted = ["complaint.hold_noted.v1", "record.settled.v1"]
        assert discarded_hold(playing, str(complaints[1])) == noted
        vault = playing.channel.door._vault  # type: ignore[attr-defined]  # a FakeVault
        person: UUID = vault.persons[MINE]

        def decide(command: Any, whose: UUID = person) -> None:
            to = To(str(whose), command)
            playing.writer.transact(lambda work: work.apply(to, Origin("test", "system:intake")))

        decide(Erase(at=TOLD, basis="asked", complaints=tuple(complaints)))
        for one in complaints:
            decide(NoteErasure(at=TOLD, complaint=one, state=ErasureState.FREE))

        ends = {3: 5}
        assert run(playing, ends) == ["locked"], "another partition holds what is not heard yet"
        offset(playing, 3, 5)
        parked(playing, str(complaints[0]), "parked")
        assert run(playing, ends) == ["locked"], "a hold may stand behind the parked record"
        parked(playing, str(complaints[0]), "settled")
        placed = StandingHoldPlaced(hold="court-7", ground="lawsuit", by="auditor:a", person=person)
        lifted = StandingHoldLifted(hold="court-7", ground="settled", by="auditor:a")
        heard(playing, placed)
        assert run(playing, ends) == ["locked"], "a hold of the person is on"
        heard(playing, lifted)
        span = {"person": None, "told_from": TOLD, "told_to": TOLD.replace(year=2026)}
        heard(playing, placed.model_copy(update={"hold": "inquiry-3", **span}))
        assert run(playing, ends) == ["locked"], "a hold of that time is on"
        heard(playing, lifted.model_copy(update={"hold": "inquiry-3"}))

        held, theirs = told_and_held(playing, placed)
        decide(Erase(at=TOLD, basis="asked", complaints=(theirs,)), held)
        decide(NoteErasure(at=TOLD, complaint=theirs, state=ErasureState.FREE), held)
        with psycopg.connect(playing.owners_dsn) as conn:
            conn.execute(
                "UPDATE person_erasures SET since = '2025-01-01Z' WHERE person = %s", (held,)
            )
        assert run(playing, ends) == ["destroyed", "locked", "locked"], "none is behind the held"


def told_and_held(playing: Desk, placed: StandingHoldPlaced) -> tuple[UUID, UUID]:
    """Somebody else who has complained, and on whom a hold is; their complaint."""
    told = playing.tell(message("c", subscriber=THEIRS, category="mobile.coverage"))
    person: UUID = playing.channel.door._vault.persons[THEIRS]  # type: ignore[attr-defined]
    heard(playing, placed.model_copy(update={"hold": "court-8", "person": person}))
    return person, UUID(told.json()["complaint"])


def test_no_purpose_lapses_while_a_hold_of_the_person_is_on(tmp_path: Path) -> None:
    with desk(tmp_path) as playing:
        person, behind = UUID(int=7), UUID(int=8)
        with psycopg.connect(playing.owners_dsn) as conn:
            conn.execute("INSERT INTO purpose_lapsing VALUES (%s), (%s)", (person, behind))
        placed = StandingHoldPlaced(hold="court-7", ground="lawsuit", by="auditor:a", person=person)
        heard(playing, placed)
        assert run(playing, {}) == ["destroyed"], "of whoever stands behind them"
        heard(playing, StandingHoldLifted(hold="court-7", ground="settled", by="auditor:a"))
        assert run(playing, {}) == ["destroyed", "destroyed"]
