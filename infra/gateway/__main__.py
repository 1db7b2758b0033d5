"""`python -m infra.gateway run | list | show NOTICE | report NOTICE RESULT`, on `BIHUAN_DATA`."""

import asyncio
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from contracts.values import DeliveryResult
from infra.gateway.gateway import Gateway
from infra.gateway.keeping import Kept, KeptNotices
from libs.decider import DomainError
from libs.vault.client import VaultClient

app = typer.Typer(
    help="The development gateway: keeps every notice, sealed, and shows it when asked.",
    no_args_is_help=True,
    add_completion=False,
)
Complaint = Annotated[UUID | None, typer.Option(help="only this complaint's notices")]


def data_folder() -> Path:
    """The installation: `BIHUAN_DATA`, by default `./.bihuan`."""
    return Path(os.environ.get("BIHUAN_DATA", ".bihuan")).absolute()


def running(data: Path) -> dict[str, Any]:
    """How to reach the running system; ends with status 2 where none runs."""
    try:
        told: dict[str, Any] = json.loads((data / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        typer.echo(f"no system runs on {data}; start it with: bihuan up", err=True)
        raise typer.Exit(2) from None
    return told


def gateway_of(data: Path) -> Gateway:
    """The gateway of the running installation."""
    told = running(data)
    intake = str(told["services"]["intake"]["api"])
    return Gateway(
        told["bootstrap"],
        data / "gateway",
        opener=VaultClient(lambda: intake, data / "keys" / "service.token"),
        topic_prefix=told.get("topic_prefix", ""),
        partitions=int(told.get("partitions", 12)),
    )


@app.command()
def run() -> None:
    """Keep notices until Ctrl-C."""

    async def forever() -> None:
        gateway = gateway_of(data_folder())
        await gateway.start()
        typer.echo(f"keeping notices in {data_folder() / 'gateway'}; Ctrl-C stops")
        try:
            await asyncio.Event().wait()
        finally:
            await gateway.stop()

    try:
        asyncio.run(forever())
    except KeyboardInterrupt:
        typer.echo("stopped")


@app.command(name="list")
def list_(complaint: Complaint = None) -> None:
    """Every notice kept, one JSON object a line, still sealed."""
    kept = KeptNotices(data_folder() / "gateway")
    try:
        for one in kept.notices(complaint):
            typer.echo(json.dumps(_shown(one), ensure_ascii=False))
        for other in kept.unreadable():
            typer.echo(
                f"unreadable: {other.topic}/{other.partition}/{other.offset}: {other.problem}",
                err=True,
            )
    finally:
        kept.close()


@app.command()
def show(notice: UUID) -> None:
    """A notice's words in clear: opened through intake, and on record there."""

    async def opened() -> str | None:
        gateway = gateway_of(data_folder())
        try:
            return await gateway.text(notice)
        finally:
            await gateway.stop()

    try:
        text = asyncio.run(opened())
    except DomainError as refusal:
        typer.echo(refusal.detail, err=True)
        raise typer.Exit(1) from None
    if text is None:
        typer.echo("no such notice was given to this gateway", err=True)
        raise typer.Exit(1)
    typer.echo(text)


@app.command()
def report(notice: UUID, result: DeliveryResult) -> None:
    """Tell the system what became of a notice, now, as a real gateway would."""

    async def told() -> None:
        gateway = gateway_of(data_folder())
        try:
            await gateway.report(notice, result, datetime.now(UTC))
        finally:
            await gateway.stop()

    try:
        asyncio.run(told())
    except LookupError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None


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
        "sealed": len(kept.sealed),
    }


if __name__ == "__main__":
    sys.exit(app())
