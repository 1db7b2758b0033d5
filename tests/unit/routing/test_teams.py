"""Teams as they change: `team.changed`, and the next version of the teams policy."""

import pytest

from contracts.housekeeping import Seat, TeamChanged
from contracts.values import Language
from libs.decider.story import Story
from services.routing.api import _next_version
from services.routing.domain.commands import ChangeTeam
from services.routing.domain.policy import Hours, Team, Teams, compile_policy
from services.routing.domain.rows import DECIDERS
from services.routing.domain.team import SeatTwice
from tests.unit.routing.desks import NOON, seed, t

NIGHT = Seat(agent="5009", skills=("billing",), languages=(Language.ZH, Language.EN))


def change(**changed: object) -> ChangeTeam:
    told = {"at": NOON, "team": "night", "queues": ("billing",), "seats": (NIGHT,), **changed}
    return ChangeTeam.model_validate(told)


def test_a_team_is_what_was_last_said_of_it() -> None:
    team = Story(DECIDERS[1], subject="team:night", now=NOON)
    told = team.when(change())
    told.then(TeamChanged(team="night", queues=("billing",), seats=(NIGHT,)))
    told.when(change()).then_nothing()
    told = told.when(change(available=False))
    assert told.one(TeamChanged).available is False
    [row] = told.rows
    assert row.table == "team"
    assert dict(row.values)["seats"][0]["agent"] == "5009"


def test_an_agent_has_one_seat_in_a_team() -> None:
    team = Story(DECIDERS[1], subject="team:night", now=NOON)
    team.when(change(seats=(NIGHT, NIGHT))).then_refused(SeatTwice)


def test_a_changed_team_makes_a_local_version_of_the_policy() -> None:
    teams = compile_policy("teams", seed("teams"))
    assert isinstance(teams, Teams)
    night = Team(team="night", queues=("billing",), seats=(NIGHT,))
    first = _next_version("v1", teams, night, NOON)
    assert (first.name, first.version, first.seed) == ("teams", "v1+1", False)
    compiled = compile_policy("teams", first.content)
    assert isinstance(compiled, Teams)
    assert compiled.by_code["night"] == night
    assert compiled.by_code["billing-care"] == teams.by_code["billing-care"]
    closed = night.model_copy(update={"available": False})
    second = _next_version("v1+1", compiled, closed, NOON)
    assert second.version == "v1+2"
    recompiled = compile_policy("teams", second.content)
    assert isinstance(recompiled, Teams)
    assert not recompiled.by_code["night"].available
    assert len(recompiled.teams) == len(teams.teams) + 1


@pytest.mark.parametrize(
    ("at", "is_open", "closes"),
    [
        ("2025-10-09 09:59:59.999999", False, "2025-10-09 19:00"),
        ("2025-10-09 10:00", True, "2025-10-09 19:00"),
        ("2025-10-09 18:59:59.999999", True, "2025-10-09 19:00"),
        ("2025-10-09 19:00", False, "2025-10-10 19:00"),
    ],
)
def test_a_hall_is_open_from_opening_to_closing_every_day(
    at: str, is_open: bool, closes: str
) -> None:
    hours = Hours.model_validate({"opens": "10:00", "closes": "19:00"})
    assert hours.open_at(t(at)) is is_open
    assert hours.next_close(t(at)) == t(closes)
