"""Puts the audit service together: the only module that knows all its rooms."""

from pathlib import Path

from prometheus_client import CollectorRegistry

from contracts.catalogue import DECODE
from contracts.runtime import HOUSEKEEPING
from contracts.upcasters import UPCASTERS
from libs.eventlog.policies import read_policies
from libs.eventlog.service import Service
from libs.messaging.app import App, Interface
from libs.messaging.operations import operations
from libs.timekeeping.clock import Clock
from libs.web.routing import Router
from services.audit import api, archive, reactions, views
from services.audit.config import Settings
from services.audit.domain.policy import compile_policy


def describe(registry: CollectorRegistry | None = None) -> Service:
    """The service as the runtime sees it: it decides nothing, hears little, keeps everything."""
    return Service(
        name="audit",
        deciders=(),
        types=DECODE,
        upcasts=UPCASTERS,
        housekeeping=HOUSEKEEPING,
        hears=frozenset(event.type for event in reactions.HEARD),
        react=reactions.react,
        heard_rows=views.heard_rows,
        tables=views.TABLES,
        archive=archive.Archive(registry or CollectorRegistry()).keep,
        compile_policy=compile_policy,
        seed_policies=read_policies(Path(__file__).parent / "policy"),
        ddl=archive.DDL,
    )


def build(settings: Settings, clock: Clock) -> App:
    """One instance of the service."""
    registry = CollectorRegistry()

    def routers(app: App) -> tuple[Router, ...]:
        prover = api.Prover(app, settings)
        app.closing.append(prover.stop)
        return (*api.routes(app, prover), operations(app))

    interface = Interface(
        title="Bihuan audit 审计",
        version="0.1.0",
        description="Every byte of the log: told as a timeline, and proven again.",
        routers=routers,
    )
    return App(describe(registry), settings, clock, interface, registry=registry)
