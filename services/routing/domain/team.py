"""A team's members, skills, seats and availability, as they change."""

from contracts.housekeeping import TeamChanged
from libs.decider import Context, Decider, Event, Refused
from services.routing.domain.commands import ChangeTeam
from services.routing.domain.state import TeamState, evolve_team


class SeatTwice(Refused):
    """An agent has one seat in a team."""

    rule = "seat-twice"
    zh = "同一坐席在班组中只能出现一次"


def decide_team(team: TeamState | None, command: ChangeTeam, _context: Context) -> list[Event]:
    """The team as asked for; nothing when it is so already."""
    agents = [seat.agent for seat in command.seats]
    if len(set(agents)) != len(agents):
        raise SeatTwice
    changed = TeamChanged(
        team=command.team,
        queues=command.queues,
        seats=command.seats,
        province=command.province,
        district_types=command.district_types,
        available=command.available,
        calendar=command.calendar,
    )
    return [] if team is not None and team.last == changed else [changed]


TEAM: Decider[TeamState] = Decider(
    kind="team",
    commands=(ChangeTeam,),
    events=(TeamChanged,),
    decide=decide_team,
    evolve=evolve_team,
    subject_is_id=False,
)
"""Streams of kind `team`, subject `team:<id>`. Rows are added by views."""
