"""`bihuan demo`: sets the stage, plays the story, proves it, and says whether all of it was so."""

import asyncio
import contextlib
import signal
import time
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any

import httpx
import psycopg
import typer
import uvloop
from rich.text import Text

from cli import showing
from cli.demo.crowding import SEED, Floor, Glance
from cli.demo.screen import Lines, Screen, Silent, Wall
from cli.demo.stage import Stage, demo_places, stage
from cli.demo.story import START, STORY, Claim, Tale
from cli.player import Denied
from cli.system import wipe
from cli.telling import FOUND, MISUSED, AsJson, emit, fail, out
from infra.local import StackProblem
from libs.messaging.stepping import NeverSettles

PEOPLE = 80
PEOPLE_MAX = 5_000
GLANCE_SECONDS = 2.0


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("demo")(demo)


@dataclass
class Played:
    """What came of it."""

    broker: str = ""
    claims: list[Claim] = field(default_factory=list)
    glance: Glance | None = None
    events: int = 0
    streams: int = 0
    faults: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    receipt: str = ""

    @property
    def all_held(self) -> bool:
        """Whether everything that was claimed really happened."""
        return bool(self.claims) and all(claim.held for claim in self.claims)


def demo(
    people: Annotated[
        int, typer.Option(min=0, max=PEOPLE_MAX, help="How many others write that day.")
    ] = PEOPLE,
    seed: Annotated[int, typer.Option(help="The crowd's seed.")] = SEED,
    broker: Annotated[str, typer.Option(help="auto, kafka or memory.")] = "auto",
    as_json: AsJson = False,
) -> None:
    """Play one complaint through the whole loop, amid a day's crowd, and prove it.

    On a stepped clock and a directory of its own beside $BIHUAN_DATA, wiped at each run. With
    --json: {claims: [{at, text, held}], all_held, events, streams, faults, seconds, ...}. Exit 1:
    something that was claimed did not happen.
    """
    if broker not in ("auto", "kafka", "memory"):
        fail("--broker is auto, kafka or memory", code=MISUSED, as_json=as_json)
    screen: Screen = Silent() if as_json else Wall(out) if out.is_terminal else Lines(out)
    played = Played()
    places = demo_places()
    try:
        wipe(places)
        with places.logging(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            finished = runner.run(_unless_stopped(played, screen, people, seed, broker))
    except (StackProblem, NeverSettles, httpx.HTTPError, OSError) as error:
        screen.close()
        fail(str(error) or type(error).__name__, as_json=as_json)
    if not finished:
        fail("stopped before the end", as_json=as_json)
    if as_json:
        emit(_document(played))
    if not played.all_held:
        raise typer.Exit(FOUND)


async def _unless_stopped(
    played: Played, screen: Screen, people: int, seed: int, broker: str
) -> bool:
    """Plays it; False when Ctrl-C came first, and then everything is down again all the same."""
    playing = asyncio.create_task(_play(played, screen, people, seed, broker))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, playing.cancel)
    try:
        await playing
    except asyncio.CancelledError:
        return False
    finally:
        screen.close()
    return True


async def _play(played: Played, screen: Screen, people: int, seed: int, broker: str) -> None:
    began = time.perf_counter()
    async with stage(demo_places(), START, broker, screen.setting_up) as made:  # type: ignore[arg-type] # checked above
        played.broker = made.system.stack.broker_kind
        if played.broker == "memory":
            screen.setting_up("broker", "in memory: Java or Maven is missing (bihuan doctor)")
        made.on_step = screen.now
        tale = Tale(made)
        floor = Floor(made, START, people, seed)
        await _tell(tale, floor, screen, played)
        screen.close()
        if played.all_held:  # else the story broke off, and there is nothing to prove
            await _prove(tale, screen, played)
    played.seconds = time.perf_counter() - began
    screen.show(_next(played))


async def _tell(tale: Tale, floor: Floor, screen: Screen, played: Played) -> None:
    """The story, with everybody else around it."""
    glancing = asyncio.create_task(_glance_now_and_then(floor, screen))
    try:
        for beat in STORY:
            await floor.until(beat.at)
            screen.begins(beat)
            before = len(tale.claims)
            try:
                await beat.act(tale)
                await tale.stage.settle()
                await beat.check(tale)
            except Denied as error:
                tale.claim(f"a service said no: {error}", held=False)
                screen.claimed(beat, tale.claims[before:])
                break
            floor.leave_alone(tale.complaint)
            screen.claimed(beat, tale.claims[before:])
    finally:
        glancing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await glancing
        played.claims = tale.claims
        played.receipt = tale.receipt
    played.glance = await floor.glance()
    screen.glanced(played.glance)


async def _glance_now_and_then(floor: Floor, screen: Screen) -> None:
    while True:
        await asyncio.sleep(GLANCE_SECONDS)
        with contextlib.suppress(Denied, httpx.HTTPError):  # the next one may work
            screen.glanced(await floor.glance())


async def _prove(tale: Tale, screen: Screen, played: Played) -> None:
    """The timeline, the promises, the proof; then somebody changes a byte."""
    timeline = await tale.timeline()
    screen.show("")
    screen.show(showing.timeline(timeline, timeline["items"], brief=True))
    promises = await tale.stage.player.get("sla_watch", "/promises")
    screen.show("")
    screen.show(showing.promises(promises["rows"]))
    proven = await _verify(tale.stage)
    screen.show(showing.verification(proven))
    played.events, played.streams = proven["events"], proven["streams"]
    tale.claim("verify proves every event of every service", not proven["faults"])
    place = await asyncio.to_thread(flip_a_byte, tale.stage.system.stack.dsn("bihuan_audit"))
    screen.show(Text(f"\nSomebody changes one byte of audit's archive, in {place}:", style="bold"))
    found = await _verify(tale.stage)
    screen.show(showing.verification(found))
    played.faults = found["faults"]
    tale.claim(
        "verify finds the changed byte and names the event",
        [
            (one["kind"], f"{one['source']} {one['subject']} #{one['sequence']}")
            for one in found["faults"]
            if one["kind"] != "checkpoint"  # the sealed root that no longer comes out, too
        ]
        == [("changed", place)],
    )


async def _verify(made: Stage) -> Any:
    return await made.player.get("audit", "/verify", role="auditor")


def flip_a_byte(dsn: str) -> str:
    """Changes one byte of one archived event, as whoever has the password could; says of which."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        row = connection.execute(
            "SELECT tableoid::regclass::text, ctid::text, source, subject, sequence, state "
            "FROM archive WHERE type = 'work.answered.v1' "
            "ORDER BY partition, record_offset LIMIT 1"
        ).fetchone()
        assert row is not None, "nothing was answered"
        table, place, source, subject, sequence, state = row
        changed = bytearray(state)
        changed[len(changed) // 2] ^= 1
        connection.execute(
            f"UPDATE {table} SET state = %s WHERE ctid = %s::tid",
            (bytes(changed), place),
        )
    return f"{source} {subject} #{sequence}"


def _next(played: Played) -> Text:
    held = sum(claim.held for claim in played.claims)
    return Text.assemble(
        "\n",
        ("✓ " if played.all_held else "✗ ", "bold green" if played.all_held else "bold red"),
        f"{held} of {len(played.claims)} claims held; {played.events:,} events in "
        f"{played.seconds:.0f} s on {played.broker}.\n\n",
        ("Next\n", "bold"),
        "  make up                                   the same system on the real clock, kept\n"
        "  .venv/bin/bihuan send FILE --mapping M    your customers' words, row by row\n"
        "  .venv/bin/bihuan timeline RECEIPT         everything that happened to one complaint\n"
        "  services/intake/domain/closing.py         the rule that decides when one may be closed",
    )


def _document(played: Played) -> dict[str, Any]:
    return {
        "all_held": played.all_held,
        "claims": [
            {"at": claim.at.isoformat(), "text": claim.text, "held": claim.held}
            for claim in played.claims
        ],
        "receipt": played.receipt,
        "broker": played.broker,
        "events": played.events,
        "streams": played.streams,
        "faults": played.faults,
        "floor": None if played.glance is None else asdict(played.glance),
        "seconds": round(played.seconds, 1),
    }
