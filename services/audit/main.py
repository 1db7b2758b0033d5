"""Audit put together: the only module that knows all its rooms."""

from pathlib import Path
from typing import Any

import yaml
from prometheus_client import CollectorRegistry

from contracts import housekeeping
from contracts.catalogue import DECODE
from libs.eventlog.service import Housekeeping, Service
from libs.messaging.app import App, Interface
from libs.timekeeping.clock import Clock
from services.audit import api, archive, reactions, views
from services.audit.config import Settings
from services.audit.domain.policy import compile_policy

POLICIES = Path(__file__).parent / "policy"


def build(settings: Settings, clock: Clock) -> App:
    """One instance of audit, not yet started."""
    registry = CollectorRegistry()
    service = describe(archive.Archive(registry))
    interface = Interface(
        title="Bihuan audit",
        version="1",
        description="Every byte of the log: told as a timeline, and proven again.",
        routers=lambda built: api.routers(built, _prover(built, settings)),
    )
    return App(service, settings, clock, interface, registry=registry)


def describe(keeper: archive.Archive) -> Service:
    """Audit as the runtime sees it: it decides nothing, hears little, and keeps everything."""
    return Service(
        name="audit",
        deciders=(),
        types=DECODE,
        housekeeping=Housekeeping(
            record_parked=housekeeping.RecordParked,
            record_settled=housekeeping.RecordSettled,
            gap_resolved=housekeeping.GapResolved,
            policy_activated=housekeeping.PolicyActivated,
            rebuild_done=housekeeping.RebuildDone,
        ),
        hears=frozenset(event.type for event in reactions.HEARD),
        react=reactions.react,
        heard_rows=views.heard_rows,
        tables=views.TABLES,
        archive=keeper.keep,
        compile_policy=compile_policy,
        seed_policies=tuple(seed(path) for path in sorted(POLICIES.glob("*.yaml"))),
        ddl=archive.DDL,
    )


def seed(path: Path) -> dict[str, Any]:
    """A policy file's content."""
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content


def _prover(app: App, settings: Settings) -> api.Prover:
    prover = api.Prover(app, settings)
    app.closing.append(prover.stop)
    return prover
