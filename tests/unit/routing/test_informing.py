"""Who is informed of every step, and how far they have looked (DOMAIN rules 1 and 5)."""

import pytest

from contracts.feedback_survey import SurveyConcluded, SurveyOutcome
from contracts.routing import HandlerKind, Informed, SeenUpTo, WorkSeen
from contracts.values import StaffRef
from libs.decider import Row
from libs.decider.story import Story
from services.routing.domain.commands import See, Staff, Transfer
from services.routing.domain.informing import NotHappened, NotInformed
from services.routing.domain.rows import heard_rows
from services.routing.reactions import HEARD, TOLD, react
from tests.unit.routing.desks import (
    GUANGDONG,
    HALL,
    MOBILE_1,
    NOON,
    XINJIANG,
    accepted,
    heard,
    profile,
    went,
)
from tests.unit.routing.test_reactions import verified

ROUTING, INTAKE = "/bihuan/routing", "/bihuan/intake"
AWAY = profile(
    home="guangdong", visited="xinjiang", taken_by=StaffRef(team="hall-kashgar", agent="8201")
)

LOCAL = profile(home="xinjiang")
"""Asked, handled and owned by Xinjiang's own team."""
COLLEAGUE = Staff(agent="5102", team="xinjiang-mobile")


def see(
    told: Story,
    by: Staff,
    upto: int,
    *,
    informed: Informed = Informed.OWNER,
    source: str = ROUTING,
    happened: int = 3,
) -> Story:
    return told.when(
        See(
            at=told.now,
            by=by,
            informed=informed,
            upto={source: upto},
            happened={ROUTING: happened, INTAKE: 1},
        )
    )


def rows(told: Story, table: str) -> list[dict[str, object]]:
    return [{**dict(one.key), **dict(one.values)} for one in told.rows if one.table == table]


def test_the_owner_is_informed_of_every_step() -> None:
    """DOMAIN rule 1: "the owner is informed of every step and is accountable"."""
    told = accepted(XINJIANG, LOCAL)
    assert [(one["source"], one["sequence"], one["type"]) for one in rows(told, "step")] == [
        (ROUTING, 1, "work.routed.v1"),
        (ROUTING, 2, "work.assigned.v1"),
        (ROUTING, 3, "work.accepted.v1"),
    ]


def test_a_step_of_another_service_is_a_step() -> None:
    [row] = heard_rows(heard(verified(), at=NOON, sequence=2))
    assert isinstance(row, Row)
    assert (row.table, dict(row.key)["source"], dict(row.key)["sequence"]) == ("step", INTAKE, 2)
    assert dict(row.values) == {"at": NOON, "type": "complaint.verified.v1", "actor": "system:test"}


def test_what_is_heard_to_inform_alone_starts_nothing() -> None:
    assert set(TOLD) < set(HEARD)
    assert {one.type for one in TOLD} == {
        "survey.concluded.v1",
        "case.requested.v1",
        "case.accepted.v1",
        "case.declined.v1",
        "case.decided.v1",
        "case.closed.v1",
        "case.correction_missed.v1",
        "call.missed.v1",
    }
    concluded = SurveyConcluded(cycle=1, outcome=SurveyOutcome.SATISFIED, reason="answered")
    assert react(heard(concluded)) == []


def test_the_owners_desk_says_how_far_it_has_looked_and_that_is_no_step() -> None:
    told = see(accepted(XINJIANG, LOCAL), COLLEAGUE, 3)
    told.then(
        WorkSeen(
            cycle=1,
            informed=Informed.OWNER,
            by=StaffRef(team="xinjiang-mobile", agent="5102"),
            upto=(SeenUpTo(source=ROUTING, sequence=3),),
        )
    )
    assert len(rows(told, "step")) == 3
    [work] = rows(told, "work")
    assert work["seen"] == {"owner": {ROUTING: 3}}


def test_what_was_seen_stays_seen() -> None:
    told = went(see(accepted(XINJIANG, LOCAL), XINJIANG, 3))
    see(told, XINJIANG, 3).then_nothing()
    see(told, XINJIANG, 2).then_nothing()
    both = went(see(told, XINJIANG, 1, source=INTAKE))
    assert rows(both, "work")[0]["seen"] == {"owner": {ROUTING: 3, INTAKE: 1}}


def test_nobody_has_seen_what_has_not_happened() -> None:
    see(accepted(XINJIANG, LOCAL), XINJIANG, 4).then_refused(NotHappened)
    see(accepted(XINJIANG, LOCAL), XINJIANG, 1, source="/bihuan/audit").then_refused(NotHappened)


def test_the_home_province_is_informed() -> None:
    """DOMAIN rule 5: "the home province is informed"; SCENARIOS S4, variant: the hall in Kashgar
    owns it, Xinjiang handles it, and Guangdong is informed of each step."""
    told = accepted(XINJIANG, AWAY)
    assert rows(told, "work")[0]["home_province"] == "guangdong"
    home = went(see(told, GUANGDONG, 3, informed=Informed.HOME_PROVINCE))
    assert rows(home, "work")[0]["seen"] == {"home_province": {ROUTING: 3}}, "not the owner"
    owner = went(see(home, HALL, 2))
    assert rows(owner, "work")[0]["seen"] == {"home_province": {ROUTING: 3}, "owner": {ROUTING: 2}}


@pytest.mark.parametrize(
    ("by", "informed"),
    [
        (XINJIANG, Informed.OWNER),
        (XINJIANG, Informed.HOME_PROVINCE),
        (GUANGDONG, Informed.OWNER),
        (HALL, Informed.HOME_PROVINCE),
    ],
)
def test_nobody_looks_in_anothers_name(by: Staff, informed: Informed) -> None:
    see(accepted(XINJIANG, AWAY), by, 3, informed=informed).then_refused(NotInformed)


def test_passed_on_to_another_province_the_home_province_is_informed_from_then_on() -> None:
    at_home = profile(home="guangdong")
    told = accepted(MOBILE_1, at_home)
    assert rows(told, "work")[0]["home_province"] is None
    see(told, GUANGDONG, 3, informed=Informed.HOME_PROVINCE).then_refused(NotInformed)
    away = went(
        told.when(
            Transfer(
                at=NOON, by=MOBILE_1, to="tibet", kind=HandlerKind.PROVINCE, reason="cause_there"
            )
        )
    )
    assert rows(away, "work")[0]["home_province"] == "guangdong"
    within = told.when(
        Transfer(
            at=NOON, by=MOBILE_1, to="guangdong", kind=HandlerKind.PROVINCE, reason="cause_there"
        )
    )
    assert rows(went(within), "work")[0]["home_province"] is None
