"""The services that decide, as replay knows them: streams, and what they keep of heard events."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from libs.decider import Decider, Event, Recorded, Row
from services.escalation.domain import rows as escalation
from services.feedback_survey.domain import rows as feedback_survey
from services.intake.domain import rows as intake
from services.routing.domain import rows as routing
from services.sla_watch.domain import rows as sla_watch


@dataclass(frozen=True)
class Domain:
    """One service's streams and what it keeps of what it hears."""

    name: str
    deciders: tuple[Decider[Any], ...]
    heard_rows: Callable[[Recorded[Any]], Iterable[Row]]

    @property
    def source(self) -> str:
        """The CloudEvents source of everything it writes."""
        return f"/bihuan/{self.name}"

    @cached_property
    def by_event(self) -> Mapping[type[Event], Decider[Any]]:
        """Which of its streams an event stands in."""
        return {event: decider for decider in self.deciders for event in decider.events}


DOMAINS = (
    Domain("intake", intake.DECIDERS, intake.heard_rows),
    Domain("routing", routing.DECIDERS, routing.heard_rows),
    Domain("sla_watch", sla_watch.DECIDERS, sla_watch.heard_rows),
    Domain("escalation", escalation.DECIDERS, escalation.heard_rows),
    Domain("feedback_survey", feedback_survey.DECIDERS, feedback_survey.heard_rows),
)
"""Audit decides nothing about a complaint and so has no state of one."""
