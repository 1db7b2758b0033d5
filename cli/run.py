"""`bihuan up`, `setup` and `doctor`: running an installation on one machine."""

import asyncio
import contextlib
import signal
import time
from dataclasses import asdict
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
import uvloop

from cli.notices import gateway_of
from cli.places import NotRunning, Places
from cli.system import System, prepare_keys
from cli.telling import FOUND, MISUSED, AsJson, emit, err, fail, out, table
from cli.visiting import calendar_until, half_made, visit
from infra.local import StackProblem
from infra.local import doctor as probing
from libs.messaging.app import TopicsWrong
from libs.timekeeping.clock import SystemClock

SHANGHAI = ZoneInfo("Asia/Shanghai")


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    app.command("up")(up)
    app.command("doctor")(doctor)
    app.command("setup", hidden=True)(setup)


def up(
    processes: Annotated[
        bool, typer.Option("--processes", help="Six processes instead of one.")
    ] = False,
    broker: Annotated[str, typer.Option(help="auto, kafka or memory.")] = "auto",
) -> None:
    """Start PostgreSQL, Kafka and the six services, and keep them running until Ctrl-C."""
    if broker not in ("auto", "kafka", "memory"):
        fail("--broker is auto, kafka or memory", code=MISUSED)
    if processes and broker == "memory":
        fail("six processes need real Kafka: the in-memory broker lives in one", code=MISUSED)
    places = Places.here()
    started = time.monotonic()

    def progress(part: str, line: str) -> None:
        err.print(f"[dim]{time.monotonic() - started:5.1f} s[/dim] {part}: {line}")

    system = System(
        places,
        processes=processes,
        broker="kafka" if processes else broker,  # type: ignore[arg-type] # checked above
        fixed_ports=not processes,
        progress=progress,
    )
    try:
        with places.logging(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_until_stopped(system, started))
    except (StackProblem, TopicsWrong, RuntimeError, OSError) as error:
        fail(str(error))


async def _until_stopped(system: System, started: float) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    starting = asyncio.create_task(system.start())
    waiting = asyncio.create_task(stopping.wait())
    await asyncio.wait((starting, waiting), return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await starting
        return
    await starting
    gateway = gateway_of(system.places)
    try:
        await gateway.start()
        rows = [[name, urls["api"], urls["health"]] for name, urls in system.urls.items()]
        out.print(table("Bihuan 闭环 is up", ("service", "api", "health, metrics"), rows))
        out.print(
            f"ready after {time.monotonic() - started:.1f} s on {system.stack.broker_kind}; "
            "Ctrl-C stops it. Next, in another terminal: bihuan token --role channel; "
            "bihuan send FILE --mapping comcast; bihuan notices list; bihuan verify"
        )
        await stopping.wait()
    finally:
        waiting.cancel()
        await gateway.stop()
        await system.stop()


def setup() -> None:
    """Make keys for services that run elsewhere (compose)."""
    prepare_keys(Places.here())


def doctor(as_json: AsJson = False) -> None:
    """Say what is installed, what is missing and how to get it; and how a running system is."""
    today = SystemClock().now().astimezone(SHANGHAI).date()
    places = Places.here()
    try:
        services = places.running()["services"]
    except NotRunning:
        services = {}
    until = calendar_until(services)
    findings = probing.examine(places.data, today=today, calendar_until=until)
    findings += visit(services)
    findings += half_made(places)
    if as_json:
        emit([asdict(finding) for finding in findings])
    else:
        marks = {"ok": "[green]ok[/green]", "warning": "[yellow]mind[/yellow]"}
        rows = [
            [
                marks.get(one.state, "[red]missing[/red]"),
                one.name,
                one.found,
                "\n".join(text for text in (one.remedy, one.remedy_zh) if text),
            ]
            for one in findings
        ]
        out.print(table("What this machine has", ("", "what", "found", "what to do"), rows))
    if any(one.state == "missing" for one in findings):
        raise typer.Exit(FOUND)
