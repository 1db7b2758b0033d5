"""How well the hotlines were answered, day by day, as people write it down (004 每日接通率测试表).

Figures of a day and line stand until somebody says why they were wrong; both stay on record.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Annotated, Any

from pydantic import Field

from contracts.housekeeping import ConnectionEntered
from contracts.values import CHANNELS, ChannelKind, Plain
from libs.decider import Command, Conflict, Context, Decider, Recorded, Refused, State
from services.audit.domain.reporting.period import day_of
from services.audit.domain.reporting.policy import NAME, ReportsPolicy
from services.audit.domain.standing import of_day

HOTLINES = tuple(
    kind for kind, channel in CHANNELS.items() if channel.voice and kind.value.startswith("hotline")
)
"""The lines that are measured."""


def subject_of(day: date) -> str:
    """The stream of a day's figures."""
    return f"connection:{day.isoformat()}"


class EnterConnection(Command):
    """Put a line's figures of a day on record."""

    day: date
    line: ChannelKind
    calls: Annotated[int, Field(ge=0)]
    answered: Annotated[int, Field(ge=0)]
    by: str
    reason: Plain | None = None
    """Why the figures on record are wrong; None: there are none yet."""


class NoHotline(Refused):
    """Only hotlines are measured: give one of them, e.g. hotline_10010."""

    rule = "connection-no-hotline"
    zh = "只登记客服热线的接通率,例如 hotline_10010"


class MoreAnsweredThanCalled(Refused):
    """More calls answered than came; look at both figures again."""

    rule = "connection-more-answered"
    zh = "接通次数大于呼入次数,请核对"


class DayToCome(Refused):
    """The day has not begun yet."""

    rule = "connection-day-to-come"
    zh = "日期晚于今天"


class EnteredBefore(Conflict):
    """Other figures of this day and line are on record; say in `reason` why they were wrong."""

    rule = "connection-entered-before"
    zh = "该日该热线已有不同数据,请说明更正原因"


@dataclass(frozen=True, slots=True)
class Figures(State):
    """(calls, answered) of each line of a day."""

    of_line: Mapping[ChannelKind, tuple[int, int]]


def decide(
    state: Figures | None, command: EnterConnection, context: Context
) -> Sequence[ConnectionEntered]:
    """The same figures told again are told once; other ones need a reason."""
    if command.line not in HOTLINES:
        raise NoHotline
    if command.answered > command.calls:
        raise MoreAnsweredThanCalled
    if command.day > day_of(context.now):
        raise DayToCome
    known = None if state is None else state.of_line.get(command.line)
    if known == (command.calls, command.answered):
        return []
    if known is not None and not command.reason:
        raise EnteredBefore
    rules: ReportsPolicy = context.policies.in_force(NAME, context.now).compiled
    return [
        ConnectionEntered(
            day=command.day,
            line=command.line,
            calls=command.calls,
            answered=command.answered,
            within_seconds=rules.connection.within_seconds,
            by=command.by,
            corrects=known is not None,
            reason=command.reason if known is not None else None,
        )
    ]


def evolve(state: Figures | None, recorded: Recorded[Any]) -> Figures:
    """The newest figures of each line."""
    event: ConnectionEntered = recorded.data
    known = state or Figures({})
    return replace(known, of_line={**known.of_line, event.line: (event.calls, event.answered)})


CONNECTIONS: Decider[Figures] = Decider(
    kind="connection",
    commands=(EnterConnection,),
    events=(ConnectionEntered,),
    decide=decide,
    evolve=evolve,
    stands=of_day,
    subject_is_id=False,
)
