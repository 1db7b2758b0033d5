"""Puts the feedback_survey service together: the only module that knows all its rooms."""

from pathlib import Path

from contracts.catalogue import DECODE
from contracts.feedback_survey import NoticeIssued
from contracts.policy_words import NAMES
from contracts.runtime import ACCESS, HOUSEKEEPING
from contracts.upcasters import UPCASTERS
from libs.eventlog.policies import read_policies
from libs.eventlog.service import Service
from libs.messaging import access, topics
from libs.messaging.app import App, Interface
from libs.messaging.operations import operations
from libs.messaging.policy_routes import policy_routes
from libs.timekeeping.clock import Clock
from libs.vault.client import VaultClient
from services.feedback_survey import api, reactions, views
from services.feedback_survey.alarm import CallAlarm
from services.feedback_survey.config import Settings
from services.feedback_survey.domain import rows
from services.feedback_survey.domain.policy import compile_policy
from services.feedback_survey.domain.vetting import vet_policy


def describe() -> Service:
    """The service as the runtime sees it."""
    service = Service(
        name="feedback_survey",
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
        copies={NoticeIssued.type: topics.OUTBOUND},
    )
    return access.following(service, ACCESS)


def build(settings: Settings, clock: Clock) -> App:
    """One instance of the service."""
    sealer = VaultClient(lambda: settings.intake_url, settings.service_token_file)
    interface = Interface(
        title="Bihuan Feedback survey 回访",
        version="0.1.0",
        routers=lambda app: (
            *api.routes(app.query, sealer),
            policy_routes(app.service, app.query),
            operations(app),
        ),
    )
    app = App(describe(), settings, clock, interface, letting_go=[sealer.close])
    app.looking.append(sealer.look)
    app.looking.append(CallAlarm(app.registry).look)
    return app
