"""Puts the sla_watch service together: the only module that knows all its rooms."""

from pathlib import Path

from contracts.catalogue import DECODE
from contracts.policy_words import NAMES
from contracts.runtime import ACCESS, HOUSEKEEPING
from contracts.upcasters import UPCASTERS
from libs.eventlog.policies import read_policies
from libs.eventlog.service import Service
from libs.messaging import access
from libs.messaging.app import App, Interface
from libs.messaging.operations import operations
from libs.messaging.policy_routes import policy_routes
from libs.timekeeping.clock import Clock
from services.sla_watch import api, reactions, views
from services.sla_watch.alarm import CalendarAlarm
from services.sla_watch.coming import ComingCalendar
from services.sla_watch.config import Settings
from services.sla_watch.domain import rows
from services.sla_watch.domain.policy import compile_policy
from services.sla_watch.domain.vetting import vet_policy


def describe() -> Service:
    """The service as the runtime sees it."""
    service = Service(
        name="sla_watch",
        deciders=rows.DECIDERS,
        types=DECODE,
        upcasts=UPCASTERS,
        housekeeping=HOUSEKEEPING,
        hears=frozenset(event.type for event in reactions.HEARD),
        react=reactions.react,
        heard_rows=rows.heard_rows,
        tables=views.TABLES,
        compile_policy=compile_policy,
        vet_policy=vet_policy,
        names=NAMES,
        seed_policies=read_policies(Path(__file__).parent / "policy"),
    )
    return access.following(service, ACCESS)


def build(settings: Settings, clock: Clock) -> App:
    """One instance of the service."""
    interface = Interface(
        title="Bihuan SLA watch 时限",
        version="0.1.0",
        routers=lambda app: (
            *api.routes(app.query),
            api.version_routes(app.query, app.service),
            policy_routes(app.service, app.query, api.reconsidering(app.query)),
            operations(app),
        ),
    )
    app = App(describe(), settings, clock, interface)
    alarm = CalendarAlarm(lambda: app.writer.policies, clock.now, app.registry)
    app.looking.append(alarm.look)
    app.chores.append(ComingCalendar(app))
    return app
