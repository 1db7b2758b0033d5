"""What follows from what happened: clocks start, wait, go on, are kept, broken, set right, stopped.

Which command leads where. A verdict is computed in one place only, `verdicts`.
"""

from collections.abc import Sequence
from typing import assert_never, get_args

from contracts.sla_watch import (
    ClockBreached,
    ClockCorrected,
    ClockMet,
    ClocksCancelled,
    ClocksNoted,
    ClocksPaused,
    ClocksRescheduled,
    ClocksStarted,
    ClockWarned,
)
from libs.decider import Context, Decider, Event, TimerFired
from services.sla_watch.domain.beginning import (
    open_cycle,
    reconsider,
    replace_clocks,
    start_more,
    start_watching,
    take_over,
)
from services.sla_watch.domain.commands import (
    EndClocks,
    OpenCycle,
    ReconsiderCalendar,
    ReplaceClocks,
    RestartClocks,
    StartCase,
    StartForward,
    StartPromise,
    StartSurvey,
    StartWatching,
    TakeFact,
    TakeOver,
)
from services.sla_watch.domain.elapsing import time_passed, timers
from services.sla_watch.domain.evolve import evolve
from services.sla_watch.domain.hearing import end, take
from services.sla_watch.domain.state import Watch

Asked = (
    StartWatching
    | TakeOver
    | ReplaceClocks
    | RestartClocks
    | OpenCycle
    | StartForward
    | StartPromise
    | StartSurvey
    | StartCase
    | TakeFact
    | EndClocks
    | ReconsiderCalendar
)


def decide(watch: Watch | None, command: Asked | TimerFired, context: Context) -> Sequence[Event]:
    """The events a command leads to; none for what is known already or concerns no clock."""
    if isinstance(command, StartWatching):
        return start_watching(watch, command, context)
    if isinstance(command, TakeOver):
        return take_over(watch, command, context)
    if watch is None:
        return []
    match command:
        case TakeFact():
            return take(watch, command, context)
        case TimerFired():
            return time_passed(watch, command, context)
        case EndClocks():
            return end(watch, command, context)
        case ReplaceClocks() | RestartClocks():
            return replace_clocks(watch, command, context)
        case OpenCycle():
            return open_cycle(watch, command, context)
        case StartForward() | StartPromise() | StartSurvey() | StartCase():
            return start_more(watch, command, context)
        case ReconsiderCalendar():
            return reconsider(watch, command, context)
        case _:
            assert_never(command)


CLOCKS: Decider[Watch] = Decider(
    kind="clocks",
    commands=get_args(Asked),
    events=(
        ClocksStarted,
        ClockWarned,
        ClocksPaused,
        ClocksRescheduled,
        ClockMet,
        ClockBreached,
        ClockCorrected,
        ClocksCancelled,
        ClocksNoted,
    ),
    decide=decide,
    evolve=evolve,
    timers=timers,
)
"""The clocks of one complaint; subject and stream id are the complaint's. `views` adds rows."""
