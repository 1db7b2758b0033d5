"""Access and configuration are in the same log, and told as one timeline (issue 5, item 10)."""

import asyncio
import json
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

from contracts.catalogue import DECODE
from libs.decider import To
from libs.eventlog.envelope import Origin
from libs.eventlog.housekeeping import Note
from services.audit.domain.access import ABOUT_ACCESS, TOLD
from tests.integration.audit.proofs import exported_roots, is_sealed
from tests.integration.audit.tellers import POLICIES, Playing, complaint, event, playing
from tests.integration.audit.test_checkpoints import FOUR, sealing, until
from tests.stack import Room, room

ITEM_10 = {
    "policies": ["policy.activated.v1"],
    "roles": ["role.changed.v1"],
    "holds": ["hold.placed.v1", "hold.lifted.v1"],
    "exports": ["export.made.v1"],
    "token issue": ["token.issued.v1", "token.revoked.v1"],
    "dead-letter decisions": ["record.settled.v1", "gap.resolved.v1"],
    "rebuilds": ["rebuild.done.v1"],
}
"""Issue 5: "policies, roles, holds, exports, token issue, dead-letter decisions, rebuilds"."""

RUNTIMES_OWN = {"policy.activated.v1", "record.settled.v1", "gap.resolved.v1", "rebuild.done.v1"}


async def listed(play: Playing, query: str = "") -> list[Any]:
    """Every line, page by page, three at a time."""
    found, url = [], f"/access?limit=3{query}"
    while url:
        page = (await play.get(url)).json()
        found += page["items"]
        url = page["next"]
    return found


async def note(play: Playing, kind: str) -> None:
    """Intake writes one of the runtime's own events, as it stands in the samples."""

    def decide(work: Any) -> None:
        told = Note(at=work.now, event=event(kind))
        work.apply(To(f"noted:{kind}", told), Origin(causation="operator:x", actor="admin:x"))

    await play.intake.in_thread(play.intake.writer.transact, decide)


async def tell_all(play: Playing) -> None:
    """One event of each kind, by the service's own ways."""
    for number, one in enumerate(ABOUT_ACCESS):
        if one.type in RUNTIMES_OWN - {"policy.activated.v1"}:
            await note(play, one.type)
        elif one.type not in ("policy.activated.v1", "cohort.purged.v1"):
            await play.tell(complaint(number), one.type)
    await play.stepper.settle()


async def sealed_of(play: Playing, where: Room, lines: list[Any], drop: Path) -> dict[str, str]:
    """Those of these lines whose event is a leaf of the next checkpoint: id -> type."""
    await play.stepper.run_until(FOUR)
    await play.stepper.fire_present()
    await until(lambda: exported_roots(drop))
    ((size, root),) = exported_roots(drop).items()
    with psycopg.connect(where.dsns["audit"]) as conn:
        states = [bytes(one) for (one,) in conn.execute("SELECT state FROM archive").fetchall()]
    events = {event["id"]: (state, event) for state in states for event in [json.loads(state)]}
    found = {}
    for one in lines:
        state, event = events[one["id"]]
        name = f"{event['source'].removeprefix('/bihuan/')}/{event['subject']}/{event['sequence']}"
        told = (await play.get(f"/proofs/inclusion?event={quote(name)}&size={size}")).json()
        if is_sealed(state, told, root):
            found[event["id"]] = event["type"]
    return found


def test_each_kind_of_access_and_configuration_is_found_as_an_event(tmp_path: Path) -> None:
    async def scene(where: Room) -> None:
        async with playing(where, tmp_path, **sealing(tmp_path)) as play:
            await tell_all(play)
            lines = await listed(play)
            found = {one["type"] for one in lines}
            for what, kinds in ITEM_10.items():
                assert set(kinds) <= found, what
            assert found == {one.type for one in ABOUT_ACCESS} - {"cohort.purged.v1"}
            places = [(one["time"], one["source"], one["subject"]) for one in lines]
            assert places == sorted(places), "the oldest first, whatever the page"
            assert len({one["id"] for one in lines}) == len(lines), "and each once"
            for one in lines:
                assert one["type"] in DECODE
                assert one["en"] != one["zh"]
                assert not {"content", "heads", "seats"} & set(one["data"])
            for kind, events in TOLD.items():
                some = await listed(play, f"&kind={kind}")
                assert {one["type"] for one in some} == {one.type for one in events} & found
            assert len(await listed(play, "&kind=policies")) == POLICIES + 1
            whose = await listed(play, "&who=agent:3312")
            assert {"token.issued.v1", "token.revoked.v1"} <= {one["type"] for one in whose}
            last = lines[-1]["time"]
            late = await listed(play, f"&since={last}")
            assert {one["time"] for one in late} == {last}
            assert len(await listed(play, f"&until={last}")) == len(lines) - len(late)
            assert (await play.get("/access", role="agent")).status_code == 403
            sealed = await sealed_of(play, where, lines, tmp_path / "drop")
            assert sealed == {one["id"]: one["type"] for one in lines}

    with room(("intake", "routing", "audit")) as where:
        asyncio.run(scene(where))


def test_what_leaves_the_house_is_on_record_with_its_digest(tmp_path: Path) -> None:
    async def scene(where: Room) -> None:
        async with playing(where, tmp_path) as play:
            days = "from=2025-10-01&to=2025-10-31"
            shown = await play.get(f"/reports/volume?{days}")
            assert shown.status_code == 200
            file = await play.get(f"/reports/volume?{days}&format=csv&purpose=monthly")
            await play.tell(complaint(1), "complaint.registered.v1")
            await play.stepper.settle()
            records = await play.get(f"/complaints/{complaint(1)}/records?purpose=asked")
            assert records.status_code == 200, records.text
            await play.stepper.settle()
            made = [one["data"] for one in await listed(play, "&kind=exports")]
            assert [(one["what"], one["purpose"], one["by"]) for one in made] == [
                ("report.volume", "monthly", "agent:x"),
                ("complaint_records", "asked", "agent:x"),
            ], "a report on the screen leaves no house"
            assert made[0]["digest"] == sha256(file.content).hexdigest()
            assert made[1]["complaints"] == [complaint(1)]

    with room(("intake", "routing", "audit")) as where:
        asyncio.run(scene(where))
