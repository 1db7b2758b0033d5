"""One complaint's clocks as the runtime would drive them: hear, fire what is due, fold.

Instants are written as in SCENARIOS, in Shanghai time. `hear` takes an event of another service at
the instant it happened; `until` lets time pass. Timers due before a fact fire first (DESIGN).
"""

from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid5

import yaml

from contracts.catalogue import CATALOGUE
from contracts.sla_watch import ClockBreached, ClocksStarted
from libs.decider import (
    Command,
    Context,
    Event,
    Policies,
    PolicyInForce,
    Recorded,
    TimerFired,
)
from services.sla_watch.domain import CLOCKS, Watch, compile_policy
from services.sla_watch.domain.state import Watched
from services.sla_watch.reactions import react
from tests.unit.timekeeping.instants import at

SUBJECT = "5b0fdb9c-6f5b-5f3c-9d55-0d3c6a0a4a11"
POLICY = Path(__file__).parents[3] / "services/sla_watch/policy"
SOURCES = {entry.event: f"/bihuan/{entry.writers[0]}" for entry in CATALOGUE}
SPACE = UUID(int=7)
FIRES_MAX = 1000

E = TypeVar("E", bound=Event)


def seed_content(file: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((POLICY / file).read_text("utf-8"))
    return content


def in_force(content: dict[str, Any], since: str = "2004-01-01") -> PolicyInForce:
    return PolicyInForce(
        name=content["name"],
        version=content["version"],
        sha256="0" * 64,
        active_from=at(since),
        content=content,
        compiled=compile_policy(content["name"], content),
    )


SEEDS = (
    Policies()
    .adding(in_force(seed_content("clocks.v1.yaml")))
    .adding(in_force(seed_content("working_days.v1.yaml")))
)


def loaded(since: str = "2027-01-02 09:00") -> Policies:
    """The seeds, and from `since` on a calendar that reaches to the end of 2027."""
    content = seed_content("working_days.v1.yaml")
    content |= {
        "version": "state-council-2027",
        "last": "2027-12-31",
        "days_off": {"2027-01-01": "New Year's Day"},
    }
    return SEEDS.adding(in_force(content, since))


class Play:
    """Drives one complaint; `told` is all that sla_watch said, `just` what it said last."""

    def __init__(self, policies: Policies = SEEDS) -> None:
        self.policies = policies
        self.state: Watch | None = None
        self.told: list[Recorded[Any]] = []
        self.just: list[Event] = []
        self.heard: list[Recorded[Any]] = []
        self.now = at("2004-01-01")

    def hear(self, event: Event, when: str, *, heard_at: str = "", count: int = 0) -> "Play":
        """Another service's event, which happened at `when` and is heard then or later."""
        return self.take(self.record(event, when, count), heard_at or when)

    def record(self, event: Event, when: str, count: int = 0) -> Recorded[Any]:
        number = count or len(self.heard) + 1
        recorded = Recorded(
            id=uuid5(SPACE, f"{type(event).__name__}:{when}:{number}"),
            source=SOURCES[type(event)],
            type=event.type,
            subject=SUBJECT,
            time=at(when),
            sequence=number,
            actor="system:test",
            data=event,
        )
        self.heard.append(recorded)
        return recorded

    def take(self, recorded: Recorded[Any], heard_at: str = "") -> "Play":
        self.now = max(self.now, at(heard_at) if heard_at else recorded.at)
        self.just = []
        for to in react(recorded):
            self._ask(to.command)
        return self

    def ask(self, command: Command, when: str) -> "Play":
        self.now = max(self.now, at(when))
        self.just = []
        self._ask(command)
        return self

    def until(self, when: str) -> "Play":
        """Time passes to `when`; every timer due by then fires, at its due."""
        self.just = []
        self._fire(at(when), including=True)
        self.now = max(self.now, at(when))
        return self

    def after_outage(self, when: str) -> "Play":
        """Nobody listened until `when`; then all that came due fires, late."""
        self.now = at(when)
        return self.until(when)

    def _ask(self, command: Command) -> None:
        self._fire(command.at, including=False)
        self._decide(command)

    def _fire(self, limit: datetime, *, including: bool) -> None:
        for _ in range(FIRES_MAX):
            due = self.timer
            if due is None or due > limit or (due == limit and not including):
                return
            self.now = max(self.now, due)
            self._decide(TimerFired(timer="next", at=due))
            assert self.timer != due, "the timer was not let go"
        raise AssertionError("timers without end")

    def _decide(self, command: Command) -> None:
        context = Context(self.now, "system:test", self.policies, SUBJECT)
        for event in CLOCKS.decide(self.state, command, context):
            sequence = len(self.told) + 1
            recorded = Recorded(
                id=uuid5(SPACE, f"sla_watch:{sequence}"),
                source="/bihuan/sla_watch",
                type=event.type,
                subject=SUBJECT,
                time=self.now,
                sequence=sequence,
                actor="system:sla_watch",
                data=type(event).model_validate_json(event.model_dump_json()),
            )
            self.state = CLOCKS.evolve(self.state, recorded)
            self.told.append(recorded)
            self.just.append(event)

    # -- looking -----------------------------------------------------------------------------------

    @property
    def timer(self) -> datetime | None:
        if self.state is None:
            return None
        timers = CLOCKS.timers(self.state)
        assert set(timers) <= {"next"}
        return timers.get("next")

    def clock(self, code: str, instance: str = "", cycle: int = 1) -> Watched:
        assert self.state is not None
        (found,) = [one for one in self.state.clocks if one.name == (code, instance, cycle)]
        return found

    def codes(self, cycle: int = 1) -> set[str]:
        assert self.state is not None
        return {one.code for one in self.state.clocks if one.cycle == cycle}

    def due(self, code: str, instance: str = "", cycle: int = 1) -> datetime | None:
        return self.clock(code, instance, cycle).standing.due

    def status(self, code: str, instance: str = "", cycle: int = 1) -> str:
        return self.clock(code, instance, cycle).standing.status.value

    def warnings(self, code: str, instance: str = "") -> list[tuple[str, datetime]]:
        return list(self.clock(code, instance).warn_at)

    def all(self, kind: type[E], code: str = "") -> list[E]:
        events = [one.data for one in self.told if isinstance(one.data, kind)]
        return [one for one in events if not code or getattr(one, "clock", "") == code]

    def one(self, kind: type[E], code: str = "") -> E:
        found = [
            one
            for one in self.just
            if isinstance(one, kind) and (not code or getattr(one, "clock", "") == code)
        ]
        assert len(found) == 1, self.just
        return found[0]

    def breaches(self, code: str) -> list[datetime]:
        return [one.due_at for one in self.all(ClockBreached, code)]

    def started(self) -> list[ClocksStarted]:
        return self.all(ClocksStarted)

    @property
    def verdicts(self) -> dict[tuple[str, str, int], tuple[str, datetime | None]]:
        """Every clock's verdict and due; what must not depend on the order of arrival."""
        assert self.state is not None
        return {
            one.name: (one.standing.status.value, one.standing.due) for one in self.state.clocks
        }
