"""What a complaint's work folds into: who has it, who owns it, what was found and promised."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from contracts.housekeeping import TeamChanged
from contracts.routing import (
    EndReason,
    HandlerKind,
    Informed,
    PromiseKind,
    ReportedCause,
    ReturnReason,
    RouteCause,
    WaitingFor,
    WorkAccepted,
    WorkAnswered,
    WorkAssigned,
    WorkCompensationProposed,
    WorkContacted,
    WorkEnded,
    WorkFindingRecorded,
    WorkPartnerConfirmed,
    WorkPromised,
    WorkReportedBack,
    WorkResumed,
    WorkReturned,
    WorkRouted,
    WorkSeen,
    WorkSuspended,
    WorkTransferred,
)
from contracts.values import (
    Basis,
    ClockRef,
    Complexity,
    FaultLiesWith,
    PaidBy,
    PolicyRef,
    Profile,
    ReopenRoute,
    StaffRef,
)
from libs.decider import Recorded, State


class Phase(StrEnum):
    """Where work stands."""

    QUEUED = "queued"
    ASSIGNED = "assigned"
    ACCEPTED = "accepted"
    FORWARDED = "forwarded"
    ANSWERED = "answered"
    ENDED = "ended"


OPEN = frozenset({Phase.QUEUED, Phase.ASSIGNED, Phase.ACCEPTED, Phase.FORWARDED})
HELD = frozenset({Phase.ASSIGNED, Phase.ACCEPTED, Phase.FORWARDED})


@dataclass(frozen=True, slots=True)
class Forward:
    """Work passed on to a team, a province or a partner, not reported back yet."""

    number: int
    to: str
    kind: HandlerKind
    complexity: Complexity | None
    reached_at: datetime | None
    bounced: str | None
    reason: str
    back_by: datetime | None


@dataclass(frozen=True, slots=True)
class PartnerDuty:
    """What a partner owes for one forward: an answer to the customer and one to 10010 (rule 7)."""

    forward: int
    partner: str
    reached_at: datetime | None
    told_10010_at: datetime | None = None
    told_customer_at: datetime | None = None
    denied_at: datetime | None = None
    """When the customer last said that the partner had not answered."""

    @property
    def denied(self) -> bool:
        """Whether the customer said that the partner had not answered."""
        return self.denied_at is not None

    @property
    def told_customer(self) -> bool:
        """Whether the partner has answered the customer."""
        return self.told_customer_at is not None

    @property
    def owes(self) -> tuple[str, ...]:
        """Whom the partner has not answered yet."""
        whom = {"10010": self.told_10010_at, "customer": self.told_customer_at}
        return tuple(name for name, at in whom.items() if at is None)


@dataclass(frozen=True, slots=True)
class Suspension:
    """Work waits for somebody else."""

    waiting_for: WaitingFor
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Promised:
    """A time the customer was given."""

    number: int
    kind: PromiseKind
    of_clock: ClockRef | None
    old_due: datetime | None
    new_due: datetime
    at: datetime


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found out; `corrected_by` is the finding that set it right."""

    number: int
    at: datetime
    by: str
    cause: FaultLiesWith
    paid_by: PaidBy
    overcharged: Decimal | None
    outage_from: datetime | None
    outage_to: datetime | None
    monthly_rent: Decimal | None
    corrects: int | None
    corrected_by: int | None = None


@dataclass(frozen=True, slots=True)
class Proposal:
    """Money proposed for a finding."""

    finding: int
    basis: Basis
    amount: Decimal
    by: str


@dataclass(frozen=True, slots=True)
class Step:
    """One step of this stream, for those who are informed of each (DOMAIN rules 1 and 5)."""

    sequence: int
    type: str
    at: datetime
    actor: str


@dataclass(frozen=True, slots=True)
class Work(State):
    """The work on one complaint, all cycles; parts named per cycle start afresh with each."""

    cycle: int
    profile: Profile
    clock_from: datetime
    phase: Phase
    queue: str
    priority: int
    rule: str
    policy: PolicyRef
    province: str | None
    routed_at: datetime
    route: ReopenRoute | None = None
    urges: int = 0
    # of the present cycle
    team: str | None = None
    agent: str | None = None
    accept_by: datetime | None = None
    accepted_at: datetime | None = None
    hand_over_at: datetime | None = None
    passed: Mapping[str, str] = field(default_factory=dict)
    """Teams and agents that refused or ignored it in this round."""
    passed_on: int = 0
    """How often it was refused or ignored in this cycle."""
    handlers: frozenset[str] = frozenset()
    """Agents who accepted or answered it in this cycle."""
    suspension: Suspension | None = None
    answered_at: datetime | None = None
    # of the whole complaint
    owner: StaffRef | None = None
    earlier_handlers: frozenset[str] = frozenset()
    forwards: int = 0
    forward: Forward | None = None
    contacted_at: datetime | None = None
    reported_at: datetime | None = None
    opinions: int = 0
    carried_out: frozenset[tuple[int, int]] = frozenset()
    promises: tuple[Promised, ...] = ()
    findings: tuple[Finding, ...] = ()
    proposals: tuple[Proposal, ...] = ()
    asks: Mapping[int, UUID] = field(default_factory=dict)
    """Finding -> the event that asked for money last: a proposal, or its own as a correction."""
    duties: tuple[PartnerDuty, ...] = ()
    """What each partner owes or has done, forward by forward."""
    steps: tuple[Step, ...] = ()
    seen: Mapping[Informed, Mapping[str, int]] = field(default_factory=dict)
    """How far the steps of each source have been seen, by whom is informed of them."""
    went_away: bool = False
    """It was passed on to another province than the customer's home."""
    ended_at: datetime | None = None
    end_reason: EndReason | None = None

    @property
    def informed_home(self) -> str | None:
        """The home province, when another one handles the complaint or did (DOMAIN rule 5)."""
        away = self.went_away or self.profile.cross_region
        return self.profile.home_province if away else None

    @property
    def is_open(self) -> bool:
        """Whether there is work to do."""
        return self.phase in OPEN

    def finding(self, number: int) -> Finding | None:
        """The finding of that number."""
        return next((one for one in self.findings if one.number == number), None)

    def proposal(self, finding: int) -> Proposal | None:
        """What was proposed for that finding last."""
        return next((one for one in reversed(self.proposals) if one.finding == finding), None)

    def chain(self, number: int | None) -> tuple[int, ...]:
        """That finding and those it set right, one before another; nothing for None."""
        chain: list[int] = []
        while number is not None and (finding := self.finding(number)) is not None:
            chain.append(number)
            number = finding.corrects
        return tuple(chain)


def evolve(work: Work | None, recorded: Recorded[Any]) -> Work:
    """Folds one event; total and without guard, for it runs again at every replay."""
    if isinstance(recorded.data, WorkSeen):  # who looks at the steps takes none
        assert work is not None, "work begins with a routing"
        return _seen(work, recorded.data)
    step = Step(recorded.sequence, recorded.type, recorded.at, recorded.actor)
    before = work.steps if work else ()
    return replace(_moved(work, recorded), steps=(*before, step))


def _seen(work: Work, event: WorkSeen) -> Work:
    moved = {one.source: one.sequence for one in event.upto}
    before = work.seen.get(event.informed, {})
    return replace(work, seen={**work.seen, event.informed: {**before, **moved}})


def _moved(work: Work | None, recorded: Recorded[Any]) -> Work:  # noqa: C901 - a case per event
    event, at = recorded.data, recorded.at
    if isinstance(event, WorkRouted):
        return _routed(work, event, at)
    assert work is not None, "work begins with a routing"
    match event:
        case WorkAssigned():
            return replace(
                work,
                phase=Phase.ASSIGNED,
                queue=event.queue,
                team=event.team,
                agent=event.agent,
                accept_by=event.accept_by,
                accepted_at=None,
                hand_over_at=None,
            )
        case WorkReturned():
            return _returned(work, event)
        case WorkAccepted():
            return _accepted(work, event, at)
        case WorkTransferred():
            return _transferred(work, event)
        case WorkReportedBack():
            return _reported_back(work, event, at)
        case WorkSuspended():
            waits = Suspension(event.waiting_for, at, event.until)
            # Who waits is not handed over at the end of the day, nor on the day it goes on.
            return replace(work, suspension=waits, hand_over_at=None)
        case WorkResumed():
            return replace(work, suspension=None)
        case WorkContacted():
            first = work.contacted_at or (at if event.reached else None)
            contacted = replace(work, contacted_at=first)
            if event.partner is None or not event.reached:
                return contacted
            return replace(contacted, duties=_told_customer(work.duties, event.forwards, at))
        case WorkPartnerConfirmed():
            return replace(work, duties=_confirmed(work.duties, event, at))
        case WorkPromised():
            promised = Promised(
                event.promise, event.kind, event.of_clock, event.old_due, event.new_due, at
            )
            return replace(work, promises=(*work.promises, promised))
        case WorkFindingRecorded():
            return _found(work, event, recorded)
        case WorkCompensationProposed():
            proposed = Proposal(event.finding, event.basis, event.amount, event.by)
            asks = {**work.asks, event.finding: recorded.id}
            return replace(work, proposals=(*work.proposals, proposed), asks=asks)
        case WorkAnswered():
            return _answered(work, event, at)
        case WorkEnded():
            return _ended(work, event, at)
    raise AssertionError(f"{recorded.type} is not an event of this stream")


def _routed(work: Work | None, event: WorkRouted, at: datetime) -> Work:
    if work is None:
        assert event.profile is not None
        assert event.clock_from is not None
        return Work(
            cycle=event.cycle,
            profile=event.profile,
            clock_from=event.clock_from,
            phase=Phase.QUEUED,
            queue=event.queue,
            priority=event.priority,
            rule=event.rule,
            policy=event.policy,
            province=event.province,
            routed_at=at,
            route=event.route,
            urges=event.urges,
        )
    routed = replace(
        work,
        cycle=event.cycle,
        profile=event.profile or work.profile,
        clock_from=event.clock_from or work.clock_from,
        queue=event.queue,
        priority=event.priority,
        rule=event.rule,
        policy=event.policy,
        province=event.province,
        routed_at=at,
        route=event.route,
        urges=event.urges,
        ended_at=None,
        end_reason=None,
    )
    if event.cycle > work.cycle or work.phase is Phase.ENDED:
        return replace(
            _released(routed),
            passed={},
            passed_on=0,
            handlers=frozenset(),
            earlier_handlers=work.earlier_handlers | work.handlers,
            suspension=None,
            forward=None,
            answered_at=None,
        )
    # An urge, or a new class for the same queue, takes nothing from those who are at work.
    stays = work.phase in HELD and event.queue == work.queue
    fresh: Mapping[str, str] = {} if event.cause is RouteCause.URGE else work.passed
    return replace(routed if stays else _released(routed), passed=fresh)


def _released(work: Work) -> Work:
    return replace(
        work,
        phase=Phase.QUEUED,
        team=None,
        agent=None,
        accept_by=None,
        accepted_at=None,
        hand_over_at=None,
        answered_at=None,
    )


def _returned(work: Work, event: WorkReturned) -> Work:
    internal = work.forward is not None and work.forward.kind is HandlerKind.TEAM
    kept = None if internal else work.forward
    released = _released(replace(work, queue=event.queue, forward=kept))
    if event.reason is ReturnReason.END_OF_DAY:
        return released
    passed = dict(work.passed)
    if event.returned_by is not None:
        who = event.returned_by.agent or event.returned_by.team
        assert who is not None
        passed[who] = event.reason.value
    return replace(released, passed=passed, passed_on=work.passed_on + 1)


def _accepted(work: Work, event: WorkAccepted, at: datetime) -> Work:
    return replace(
        work,
        phase=Phase.ACCEPTED,
        team=event.team,
        agent=event.agent,
        owner=event.owner,
        accept_by=None,
        accepted_at=at,
        hand_over_at=event.hand_over_at,
        passed={},
        handlers=work.handlers | {event.agent},
    )


def _answered(work: Work, event: WorkAnswered, at: datetime) -> Work:
    return replace(
        work,
        phase=Phase.ANSWERED,
        team=event.team,
        agent=event.agent,
        accept_by=None,
        hand_over_at=None,
        answered_at=at,
        handlers=work.handlers | {event.agent},
    )


def _ended(work: Work, event: WorkEnded, at: datetime) -> Work:
    return replace(
        work,
        phase=Phase.ENDED,
        accept_by=None,
        hand_over_at=None,
        suspension=None,
        forward=None,
        ended_at=at,
        end_reason=event.reason,
    )


def _transferred(work: Work, event: WorkTransferred) -> Work:
    forward = Forward(
        event.forward,
        event.to,
        event.kind,
        event.complexity,
        event.reached_at,
        event.bounced,
        event.reason,
        event.back_by,
    )
    duties = work.duties
    if event.kind is HandlerKind.PARTNER:
        duties = _owed(duties, PartnerDuty(event.forward, event.to, event.reached_at))
    if work.forward is not None and work.forward.number == event.forward:
        return replace(work, forward=forward, duties=duties)
    away = event.kind is HandlerKind.PROVINCE and event.to != work.profile.home_province
    return replace(
        work,
        phase=Phase.FORWARDED,
        forwards=event.forward,
        forward=forward,
        duties=duties,
        accept_by=None,
        went_away=work.went_away or away,
    )


def _owed(duties: tuple[PartnerDuty, ...], duty: PartnerDuty) -> tuple[PartnerDuty, ...]:
    """The same duties with that of a new forward, or a known one as it has now arrived."""
    if any(one.forward == duty.forward for one in duties):
        return tuple(
            replace(one, reached_at=duty.reached_at) if one.forward == duty.forward else one
            for one in duties
        )
    return (*duties, duty)


def _told_customer(
    duties: tuple[PartnerDuty, ...], forwards: tuple[int, ...], at: datetime
) -> tuple[PartnerDuty, ...]:
    """The partner has answered the customer: for whatever it was forwarded till then."""
    return tuple(
        replace(one, told_customer_at=at) if one.forward in forwards else one for one in duties
    )


def _confirmed(
    duties: tuple[PartnerDuty, ...], event: WorkPartnerConfirmed, at: datetime
) -> tuple[PartnerDuty, ...]:
    """The customer's word goes before the partner's."""
    said = (
        {"told_customer_at": at} if event.answered else {"told_customer_at": None, "denied_at": at}
    )
    return tuple(replace(one, **said) if one.forward == event.forward else one for one in duties)


def _reported_back(work: Work, event: WorkReportedBack, at: datetime) -> Work:
    """The opinion goes to the owner's desk, which answers the customer (DOMAIN rule 1)."""
    carried = work.carried_out
    if event.case is not None and event.instruction is not None:
        carried = carried | {(event.case, event.instruction)}
    reported = replace(work, reported_at=at, opinions=work.opinions + 1, carried_out=carried)
    # A partner whose cause lies elsewhere is not released from answering (DOMAIN rule 7).
    still_owed = event.kind is HandlerKind.PARTNER and event.cause is not ReportedCause.OWN
    if event.kind is HandlerKind.PARTNER and not still_owed:
        told = tuple(
            replace(one, told_10010_at=one.told_10010_at or at)
            if one.forward == event.forward
            else one
            for one in work.duties
        )
        reported = replace(reported, duties=told)
    if work.forward is not None and work.forward.number == event.forward and not still_owed:
        reported = replace(reported, forward=None)
    if not work.is_open or work.owner is None:
        return reported
    return replace(
        reported,
        phase=Phase.ACCEPTED,
        team=work.owner.team,
        agent=work.owner.agent,
        accept_by=None,
        hand_over_at=None,
    )


def _found(work: Work, event: WorkFindingRecorded, recorded: Recorded[Any]) -> Work:
    found = Finding(
        event.finding,
        recorded.at,
        event.by,
        event.cause,
        event.paid_by,
        event.overcharged,
        event.outage_from,
        event.outage_to,
        event.monthly_rent,
        event.corrects,
    )
    before = tuple(
        replace(one, corrected_by=event.finding) if one.number == event.corrects else one
        for one in work.findings
    )
    asks = work.asks
    if any(number in asks for number in event.chain):
        # Whatever was asked for the old finding is asked for this one instead, less what was given.
        asks = {**asks, event.finding: recorded.id}
    return replace(work, findings=(*before, found), asks=asks)


def timers(work: Work) -> Mapping[str, datetime]:
    """What the work waits for: an acceptance, the end of a suspension, the end of the day."""
    due: dict[str, datetime] = {}
    if work.phase is Phase.ASSIGNED and work.accept_by is not None:
        due["accept"] = work.accept_by
    if work.phase is Phase.ACCEPTED and work.hand_over_at is not None:
        due["hand_over"] = work.hand_over_at
    if work.suspension is not None:
        due["suspend"] = work.suspension.until
    return due


@dataclass(frozen=True, slots=True)
class TeamState(State):
    """A team as it was last changed."""

    last: TeamChanged


def evolve_team(_team: TeamState | None, recorded: Recorded[TeamChanged]) -> TeamState:
    """Folds one event."""
    return TeamState(recorded.data)
