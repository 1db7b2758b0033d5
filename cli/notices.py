"""`bihuan notices`: what customers were told, as the development gateway was given it.

The gateway runs beside `bihuan up`, and by `watch` where the services run elsewhere (compose).
Notices are kept sealed; `show` opens one through intake, for the purpose `deliver`, and that access
is itself on record.
"""

import asyncio
import os
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from rich.markup import escape

from cli import showing
from cli.places import Places
from cli.telling import MISUSED, AsJson, emit, err, fail, out, speaking
from contracts.values import DeliveryResult
from infra.gateway import Gateway
from infra.gateway.keeping import Kept, KeptNotices
from libs.decider import DomainError
from libs.telemetry.logs import configure_logs
from libs.vault.client import VaultClient

notices = typer.Typer(no_args_is_help=True, help="What customers were told (development gateway).")


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    app.add_typer(notices, name="notices")


class Elsewhere(BaseSettings):
    """How to reach services that run elsewhere; the same variables as the services' own."""

    model_config = SettingsConfigDict(env_prefix="BIHUAN_")

    kafka_bootstrap: str
    intake_url: str
    service_token_file: Path
    topic_prefix: str = ""
    partitions: int = 12


def gateway_of(places: Places) -> Gateway:
    """The development gateway of the services that the environment names, else of `bihuan up` here.

    Raises NotRunning.
    """
    if "BIHUAN_KAFKA_BOOTSTRAP" in os.environ:
        there = Elsewhere()
        return Gateway(
            there.kafka_bootstrap,
            places.gateway,
            opener=VaultClient(lambda: there.intake_url, there.service_token_file),
            topic_prefix=there.topic_prefix,
            partitions=there.partitions,
        )
    told = places.running()
    intake = str(told["services"]["intake"]["api"])
    return Gateway(
        told["bootstrap"],
        places.gateway,
        opener=VaultClient(lambda: intake, places.keys / "service.token"),
        topic_prefix=told["topic_prefix"],
        partitions=told["partitions"],
    )


@notices.command("list")
def list_(
    receipt: Annotated[str | None, typer.Argument(help="Only of this receipt number.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="The last so many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List what was given to the gateway, the last ones; words stay sealed.

    With --json: {notices: [{notice, complaint, receipt, kind, by, issued, not_before, late}],
    more}.
    """
    places = Places.here()
    if not (places.gateway / "notices.sqlite").exists():
        fail(f"no gateway has kept anything under {places.data}; start one with: bihuan up")
    kept = KeptNotices(places.gateway)
    try:
        found = [_shown(one) for one in kept.notices()]
        unreadable = kept.unreadable()
    finally:
        kept.close()
    for other in unreadable:
        place = f"{other.topic}/{other.partition}/{other.offset}"
        err.print(f"[yellow]no notice:[/yellow] {place}: {escape(other.problem)}")
    if receipt is not None:
        wanted = receipt.replace("-", "").replace(" ", "")
        found = [one for one in found if one["receipt"].replace("-", "") == wanted]
    more, found = len(found) > limit, found[-limit:]
    if as_json:
        emit({"notices": found, "more": more})
        return
    table = showing.grid("Notices 通知", "leaves", "receipt", "kind", "notice")
    table.columns[1].no_wrap = True
    for one in found:
        leaves = showing.moment(one["not_before"])
        table.add_row(leaves, one["receipt"], one["kind"], one["notice"])
    out.print(table)
    if more:
        err.print(f"[dim]earlier ones are left out: --limit is {limit}[/dim]")


@notices.command("show")
def show(
    notice: Annotated[UUID, typer.Argument(help="The notice, as `notices list` shows it.")],
    as_json: AsJson = False,
) -> None:
    """Show a notice's words in clear; that they were opened is on record. Exit 1: unknown."""

    async def opened() -> str | None:
        gateway = gateway_of(Places.here())
        try:
            return await gateway.text(notice)
        finally:
            await gateway.stop()

    with speaking(as_json):
        try:
            text = asyncio.run(opened())
        except DomainError as refusal:
            fail(refusal.detail, as_json=as_json)
    if text is None:
        fail("no such notice was given to this gateway", as_json=as_json)
    if as_json:
        emit({"notice": str(notice), "text": text})
    else:
        typer.echo(text)


@notices.command("report")
def report(
    notice: Annotated[UUID, typer.Argument(help="The notice, as `notices list` shows it.")],
    result: Annotated[DeliveryResult, typer.Argument(help="What became of it.")],
    as_json: AsJson = False,
) -> None:
    """Tell the system what became of a notice, now, as a real gateway would. Exit 1: unknown."""

    async def told() -> None:
        gateway = gateway_of(Places.here())
        try:
            await gateway.report(notice, result, datetime.now(UTC))
        finally:
            await gateway.stop()

    with speaking(as_json):
        try:
            asyncio.run(told())
        except LookupError as error:
            fail(str(error), as_json=as_json)
    if as_json:
        emit({"notice": str(notice), "result": result.value})
    else:
        out.print(f"[green]✓[/green] reported: {result.value}")


@notices.command("watch")
def watch() -> None:
    """Run the development gateway until stopped, for services that run elsewhere (compose).

    BIHUAN_KAFKA_BOOTSTRAP, BIHUAN_INTAKE_URL and BIHUAN_SERVICE_TOKEN_FILE say where they are.
    """
    if "BIHUAN_KAFKA_BOOTSTRAP" not in os.environ:
        fail(
            "set BIHUAN_KAFKA_BOOTSTRAP; beside `bihuan up` the gateway runs already", code=MISUSED
        )
    try:
        gateway = gateway_of(Places.here())
    except ValidationError as error:
        missing = ", ".join(f"BIHUAN_{str(one['loc'][0]).upper()}" for one in error.errors())
        fail(f"set {missing}, as for the services", code=MISUSED)
    configure_logs("gateway")

    async def until_stopped() -> None:
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        try:
            starting = asyncio.create_task(gateway.start())
            waiting = asyncio.create_task(stopping.wait())
            await asyncio.wait((starting, waiting), return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                await starting
                await waiting
            starting.cancel()
        finally:
            await gateway.stop()

    asyncio.run(until_stopped())


def _shown(kept: Kept) -> dict[str, Any]:
    told = kept.message.data
    return {
        "notice": str(told.notice),
        "complaint": kept.message.subject,
        "receipt": told.correspondent.receipt,
        "kind": told.kind.value,
        "by": told.by.value,
        "issued": kept.message.time.isoformat(),
        "not_before": told.not_before.isoformat(),
        "late": told.late,
    }
