"""A complaint as all services know it: their rows, folded from its events and nothing else."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from libs.decider import Recorded
from libs.decider.plain import Tables, canonical, tables
from replay.domains import DOMAINS, Domain
from replay.story import Story, happened_by, recorded_by, told_once

Services = Mapping[str, Tables]
"""Service -> what its read models show of the complaint."""


@dataclass(frozen=True, slots=True)
class Known:
    """What was known: from how many events, the last of them, and what every service shows."""

    events: int
    last: datetime | None
    services: Services


@dataclass(frozen=True, slots=True)
class StateAt:
    """A complaint at an instant, in both senses.

    `as_it_was`: what had been recorded by then. `as_known_now`: what had happened by then, by all
    that is known now. `first` is when the complaint came on record, `events` all there are of it.
    """

    complaint: str
    at: datetime
    first: datetime
    events: int
    as_it_was: Known
    as_known_now: Known

    @property
    def differs(self) -> bool:
        """Whether something was learnt only later."""
        return canonical(self.as_it_was.services) != canonical(self.as_known_now.services)


def state_at(events: Iterable[Recorded[Any]], at: datetime) -> StateAt | None:
    """One complaint at an instant; None when there are no events of it.

    Events come in the log's order, all of one subject. Raises LogBroken.
    """
    story = told_once(events)
    if not story:
        return None
    assert len({one.subject for one in story}) == 1, "one complaint at a time"
    recorded, happened = recorded_by(story, at), happened_by(story, at)
    as_it_was = known(recorded)
    same = [one.id for one in recorded] == [one.id for one in happened]
    return StateAt(
        complaint=story[0].subject,
        at=at,
        first=min(one.time for one in story),
        events=len(story),
        as_it_was=as_it_was,
        as_known_now=as_it_was if same else known(happened),
    )


def known(story: Story) -> Known:
    """What all services show after these events of one complaint."""
    return Known(
        events=len(story),
        last=max((one.time for one in story), default=None),
        services={domain.name: _shown(domain, story) for domain in DOMAINS},
    )


def _shown(domain: Domain, story: Story) -> Tables:
    """The rows of the service's own streams, and those it keeps of what it hears."""
    states: dict[str, Any] = {}
    heard: dict[tuple[str, tuple[tuple[str, Any], ...]], dict[str, Any]] = {}
    for one in story:
        decider = domain.by_event.get(type(one.data)) if one.source == domain.source else None
        if decider is not None:
            states[decider.kind] = decider.evolve(states.get(decider.kind), one)
        for row in domain.keeps(one):
            heard.setdefault((row.table, row.key), {}).update(row.values)
    subject = story[0].subject if story else ""
    own = (
        (row.table, dict((*row.key, *row.values)))
        for decider in domain.deciders
        if decider.kind in states
        for row in decider.rows(subject, states[decider.kind])
    )
    kept = ((table, dict(key) | values) for (table, key), values in heard.items())
    return tables((*own, *kept))
