"""The services that decide, as replay knows them: streams, and what they keep of heard events."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Any

from libs.decider import Decider, Event, Recorded, Row
from services.escalation import reactions as escalation_reactions
from services.escalation.domain import rows as escalation
from services.feedback_survey import reactions as feedback_survey_reactions
from services.feedback_survey.domain import rows as feedback_survey
from services.intake import reactions as intake_reactions
from services.intake.domain import rows as intake
from services.routing import reactions as routing_reactions
from services.routing.domain import rows as routing
from services.sla_watch import reactions as sla_watch_reactions
from services.sla_watch.domain import rows as sla_watch


@dataclass(frozen=True)
class Domain:
    """One service's streams and what it keeps of what it hears."""

    name: str
    deciders: tuple[Decider[Any], ...]
    heard: frozenset[type[Event]]
    heard_rows: Callable[[Recorded[Any]], Iterable[Row]]

    def keeps(self, recorded: Recorded[Any]) -> Iterable[Row]:
        """The rows it keeps of an event; none of what it does not listen to."""
        return self.heard_rows(recorded) if type(recorded.data) in self.heard else ()

    @property
    def source(self) -> str:
        """The CloudEvents source of everything it writes."""
        return f"/bihuan/{self.name}"

    @cached_property
    def by_event(self) -> Mapping[type[Event], Decider[Any]]:
        """Which of its streams an event stands in."""
        return {event: decider for decider in self.deciders for event in decider.events}


def _domain(name: str, rows: ModuleType, reactions: ModuleType) -> Domain:
    return Domain(name, rows.DECIDERS, frozenset(reactions.HEARD), rows.heard_rows)


DOMAINS = (
    _domain("intake", intake, intake_reactions),
    _domain("routing", routing, routing_reactions),
    _domain("sla_watch", sla_watch, sla_watch_reactions),
    _domain("escalation", escalation, escalation_reactions),
    _domain("feedback_survey", feedback_survey, feedback_survey_reactions),
)
"""Audit decides nothing about a complaint and so has no state of one."""
