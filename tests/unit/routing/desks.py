"""Routing's stories: a complaint's work with the seed policies in force, and people at desks.

The people are those of `policy/teams.v1.yaml`: 5001-5003 mobile care, 5011-5012 its second line,
5101-5102 Xinjiang, 5301-5303 billing care, 7001-7003 the customer-service managers, 8001-8004 the
front desk, 8201-8202 the hall of Kashgar.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

import yaml

from contracts.routing import RouteCause
from contracts.values import (
    Category,
    ChannelKind,
    ClockPurpose,
    CustomerClass,
    DistrictType,
    Kind,
    Language,
    Profile,
    ReopenRoute,
    StaffRef,
    Urgency,
    ValueTier,
)
from libs.decider import Event, Policies, PolicyInForce, Recorded, Row, To
from libs.decider.story import SUBJECT, Story
from services.routing.domain.commands import (
    Accept,
    Assign,
    ClockState,
    KnownClock,
    Reopen,
    Route,
    Staff,
)
from services.routing.domain.policy import compile_policy
from services.routing.domain.rows import DECIDERS
from services.routing.reactions import react

SHANGHAI = ZoneInfo("Asia/Shanghai")
SEALED = "sealed-token"
POLICY_FOLDER = Path(__file__).parents[3] / "services" / "routing" / "policy"

MOBILE_1 = Staff(agent="5001", team="mobile-care")
MOBILE_2 = Staff(agent="5002", team="mobile-care")
SECOND_LINE = Staff(agent="5011", team="mobile-second")
XINJIANG = Staff(agent="5101", team="xinjiang-mobile")
BILLING_1 = Staff(agent="5301", team="billing-care")
BILLING_2 = Staff(agent="5302", team="billing-care")
BILLING_SECOND = Staff(agent="5311", team="billing-second")
MANAGER_1 = Staff(agent="7001", team="centre-managers", steers=True)
MANAGER_2 = Staff(agent="7002", team="centre-managers", steers=True)
FRONT_DESK = Staff(agent="8003", team="desk-10010")
GUANGDONG = Staff(agent="8101", team="guangdong-desk")
HALL = Staff(agent="8201", team="hall-kashgar")
NETWORK = Staff(agent="5601", team="network-operations")
OFFICER = Staff(agent="9001", steers=True)


def t(text: str) -> datetime:
    """An instant in Shanghai, e.g. `2025-10-09 09:00`."""
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


NOON = t("2025-10-09 12:00")


def seed(name: str) -> Mapping[str, Any]:
    """A seed policy as its file has it."""
    content = yaml.safe_load((POLICY_FOLDER / f"{name}.v1.yaml").read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


def policies(**changed: Mapping[str, Any]) -> Policies:
    """The seed policies in force, some of them changed."""
    known = Policies()
    for name in ("routing", "teams"):
        content = changed.get(name) or seed(name)
        known = known.adding(
            PolicyInForce(
                name=name,
                version=str(content["version"]),
                sha256="0" * 64,
                active_from=datetime(2004, 1, 1, tzinfo=UTC),
                content=content,
                compiled=compile_policy(name, content),
            )
        )
    return known


SEEDS = policies()


def profile(
    category: Category = Category.MOBILE_NONCOVERAGE_CALL_QUALITY,
    *,
    urgency: Urgency = Urgency.ORDINARY,
    kind: Kind = Kind.COMPLAINT,
    customer_class: CustomerClass = CustomerClass.PERSONAL,
    value_tier: ValueTier = ValueTier.ORDINARY,
    home: str | None = None,
    visited: str | None = None,
    district_type: DistrictType | None = None,
    language: Language = Language.ZH,
    about: StaffRef | None = None,
    taken_by: StaffRef | None = None,
    media: bool = False,
    portfolio: str | None = None,
    other_operator: bool = False,
) -> Profile:
    """A complaint's profile; a personal customer's mobile call quality unless said otherwise."""
    return Profile(
        kind=kind,
        category=category,
        urgency=urgency,
        customer_class=customer_class,
        value_tier=value_tier,
        home_province=home,
        visited_province=visited,
        district_type=district_type,
        language=language,
        channel=ChannelKind.SMS,
        about=about,
        taken_by=taken_by,
        media=media,
        portfolio=portfolio,
        other_operator=other_operator,
    )


def verified(profile: Profile, *, at: datetime = NOON, cycle: int = 1) -> Route:
    """A complaint was verified."""
    return Route(at=at, cycle=cycle, cause=RouteCause.VERIFIED, profile=profile, clock_from=at)


def reopened(profile: Profile, route: ReopenRoute, *, at: datetime, cycle: int = 2) -> Reopen:
    """A new cycle starts."""
    return Reopen(at=at, cycle=cycle, profile=profile, clock_from=at, route=route)


def story(known: Policies = SEEDS) -> Story:
    """No work yet, at noon."""
    return Story(DECIDERS[0], policies=known, now=NOON)


def routed(about: Profile | None = None, known: Policies = SEEDS) -> Story:
    """A complaint that has just been verified, and so routed and assigned."""
    return story(known).when(verified(about or profile()))


def accepted(
    by: Staff = MOBILE_1,
    about: Profile | None = None,
    *,
    at: datetime = NOON,
    known: Policies = SEEDS,
) -> Story:
    """A complaint in somebody's hands, whichever team the table asked."""
    asked = story(known).when(verified(about or profile(), at=at))
    if asked.state.team != by.team:
        assert by.team is not None
        asked = went(asked.when(Assign(at=at, by=OFFICER, team=by.team, agent=by.agent)))
    return went(asked.when(Accept(at=at, by=by)))


def everyone_ignores(told: Story) -> list[Story]:
    """Every assignment times out, one after another, until nobody is asked; each step."""
    steps: list[Story] = []
    while "accept" in told.timers:
        told = told.fire("accept")
        steps.append(told)
        assert len(steps) < 20, "asked for ever"
    return steps


def kept(rows: Iterable[Row]) -> list[Row]:
    """The rows that are no steps; of those `test_informing` speaks."""
    return [row for row in rows if row.table != "step"]


def went(told: Story) -> Story:
    """The same, where nothing was refused."""
    assert told.refusal is None, repr(told.refusal)
    assert told.happened, "nothing happened"
    return told


def later(told: Story, **by: float) -> datetime:
    """An instant so much after the story's present, e.g. `later(told, hours=1)`."""
    return told.now + timedelta(**by)


def heard(
    event: Event,
    *,
    at: datetime = NOON,
    subject: str = SUBJECT,
    sequence: int = 1,
    source: str = "/bihuan/intake",
) -> Recorded[Any]:
    """An event of another service as the log has it."""
    return Recorded(
        id=uuid5(UUID(int=0), f"{source}|{subject}|{sequence}"),
        source=source,
        type=event.type,
        subject=subject,
        time=at,
        sequence=sequence,
        actor="system:test",
        data=event,
    )


def hears(told: Story, event: Event, *, at: datetime | None = None) -> Story:
    """The story goes on with whatever routing does on hearing an event."""
    commands: Sequence[To] = react(heard(event, at=at or told.now))
    for to in commands:
        assert to.subject == told.subject
        told = told.when(to.command)
    return told if commands else replace(told, happened=(), refusal=None)


def clock(
    code: str,
    purpose: ClockPurpose,
    due: datetime | None,
    state: ClockState = ClockState.RUNNING,
    instance: str = "",
) -> KnownClock:
    """A clock as heard from sla_watch."""
    return KnownClock(
        clock=code, instance=instance, started_in=1, purpose=purpose, due=due, state=state
    )
