"""What auditors ask of rules: which verdicts would differ under another clock table or calendar.

Reads the archive and answers; writes, sends and times nothing. The deciding again is replay's,
which the composition root hands in.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import Body
from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from contracts.values import Instant
from libs.decider import Policies, PolicyInForce, Recorded
from libs.eventlog.policies import active_from
from libs.messaging.app import App
from libs.web import Caller, Router, allow
from services.audit import views
from services.audit.cold.records import Reading, Records
from services.audit.gone import absent
from services.audit.knowing import events_of

COMPLAINTS_A_PAGE = 50
"""About a second's work; more come page by page, so that nobody else waits for long."""


class WhatIfAsked(BaseModel):
    """Which version to try, on which complaints."""

    model_config = ConfigDict(extra="forbid")
    contents: Annotated[
        list[dict[str, JsonValue]],
        Field(min_length=1, max_length=2, description="whole policies: a clock table, a calendar"),
    ]
    complaint: UUID | None = Field(default=None, description="only this one")
    registered_from: Instant | None = Field(default=None, description="at or after")
    registered_to: Instant | None = Field(default=None, description="before")
    after: UUID | None = Field(default=None, description="go on after this complaint")

    @model_validator(mode="after")
    def _one_of_a_name(self) -> Self:
        names = [str(one.get("name")) for one in self.contents]
        if len(set(names)) != len(names):
            raise ValueError("two contents of one policy: which of them is to be tried?")
        if self.complaint is not None and (self.registered_from or self.registered_to):
            raise ValueError("either one complaint or a time of registration, not both")
        return self


class _Shown(BaseModel):
    model_config = ConfigDict(extra="forbid", from_attributes=True)


class JudgedShown(_Shown):
    """Where a clock stands."""

    state: str
    due: Instant | None
    at: Instant | None = Field(description="when it was met or cancelled")


class DiffersShown(_Shown):
    """A clock that would be judged otherwise."""

    complaint: UUID
    clock: str
    instance: str
    cycle: int
    change: str = Field(description="verdict, due, added or dropped")
    was: JudgedShown | None
    would_be: JudgedShown | None


class TallyShown(_Shown):
    """Verdicts on clocks of one code, as whole numbers."""

    was_met: int
    was_breached: int
    would_be_met: int
    would_be_breached: int


class WhatIfShown(_Shown):
    """What would differ on one page of complaints."""

    complaints: int
    clocks: int
    unlike_record: int = Field(
        description="clocks that the same rules do not judge again as they are on record; 0, or "
        "the log is broken and nothing else here is to be trusted"
    )
    differs: list[DiffersShown]
    tallies: dict[str, TallyShown]
    next: UUID | None = Field(description="`after` of the page that follows; null: the last")


@dataclass(frozen=True, slots=True)
class Trial:
    """Replay's part, as `replay.what_if` has it."""

    source: str
    names: Sequence[str]
    candidate: Callable[[Mapping[str, Any]], PolicyInForce]
    policies_of: Callable[[Iterable[tuple[Recorded[Any], datetime]]], Policies]
    what_if: Callable[[Iterable[Recorded[Any]], Policies, Sequence[PolicyInForce], datetime], Any]
    nothing: Callable[[], Any]


def routes(app: App, reading: Reading, trial: Trial) -> Sequence[Router]:
    """The one route that tries rules."""
    router = Router(tags=["what if"])

    @router.post("/what-if", response_model=WhatIfShown)
    async def what_if(
        asked: Annotated[WhatIfAsked, Body()],
        _caller: Annotated[Caller, allow("audit.compare")],
    ) -> WhatIfShown:
        """Which verdicts would differ, had these versions always counted; changes nothing."""
        now = app.clock.now()

        def tried(records: Records) -> WhatIfShown:
            return _tried(app, records, trial, asked, now)

        return await reading.query(tried)

    return (router,)


def _tried(
    app: App, records: Records, trial: Trial, asked: WhatIfAsked, now: datetime
) -> WhatIfShown:
    candidates = [trial.candidate(content) for content in asked.contents]
    activated = (
        app.service.read(value) for value in views.policies_of(records, trial.source, trial.names)
    )
    policies = trial.policies_of((one, active_from(one)) for one in activated)
    if asked.complaint is not None:
        complaints, more = [asked.complaint], False
    else:
        known = views.registered_between(
            records.conn, asked.registered_from, asked.registered_to, asked.after, COMPLAINTS_A_PAGE
        )
        complaints, more = known[:COMPLAINTS_A_PAGE], len(known) > COMPLAINTS_A_PAGE
    answer = trial.nothing()
    for complaint in complaints:
        answer.add(trial.what_if(events_of(app, records, complaint), policies, candidates, now))
    if asked.complaint is not None and not answer.complaints:
        raise absent(records.conn, asked.complaint)
    return WhatIfShown.model_validate({**asdict(answer), "next": complaints[-1] if more else None})
