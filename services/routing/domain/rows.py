"""What routing's streams show, and what is kept of heard events. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from contracts.escalation import (
    CaseInstructed,
    CompensationGranted,
    CompensationLapsed,
    CompensationRefused,
    CompensationSubmitted,
)
from contracts.sla_watch import (
    ClockBreached,
    ClockCorrected,
    ClocksCancelled,
    ClocksPaused,
    ClocksRescheduled,
    ClocksStarted,
    ClockWarned,
    Verdict,
)
from contracts.values import Basis, ClockPurpose, ClockRef
from libs.decider import Decider, Recorded, Row
from libs.decider.decider import wire_instant
from services.routing.domain import TEAM, WORK
from services.routing.domain.commands import ClockState, SettledAs
from services.routing.domain.state import Finding, PartnerDuty, Phase, Promised, TeamState, Work

SOURCE = "/bihuan/routing"
"""The `source` of routing's own events."""

NOT_THE_DESKS = frozenset(
    {
        ClockPurpose.ACKNOWLEDGE,
        ClockPurpose.SURVEY,
        ClockPurpose.DESK_FIRST_CONTACT,
        ClockPurpose.DESK_DECISION,
        ClockPurpose.REGULATOR_REPORT,
    }
)
"""Clocks that a handling desk neither meets nor breaches."""


def work_rows(subject: str, work: Work) -> Iterable[Row]:
    """A complaint's row: on the desk while there is work, among the done ones after."""
    key = {"complaint": UUID(subject)}
    owner = work.owner
    common: dict[str, Any] = {
        "cycle": work.cycle,
        "queue": work.queue,
        "category": work.profile.category.value,
        "province": work.province,
        "urges": work.urges,
        "team": work.team,
        "agent": work.agent,
        "owner_team": owner.team if owner else None,
        "owner_agent": owner.agent if owner else None,
        "answered_at": work.answered_at,
        "clock_from": work.clock_from,
        "about_staff": work.profile.about is not None,
        "home_province": work.informed_home,
        "duties": [_duty(one) for one in work.duties] or None,
        "seen": {who.value: dict(upto) for who, upto in work.seen.items()} or None,
    }
    for step in work.steps:
        told = {"at": step.at, "type": step.type, "actor": step.actor}
        yield Row.of("step", {**key, "source": SOURCE, "sequence": step.sequence}, **told)
    if work.phase is Phase.ENDED:
        assert work.end_reason is not None
        yield Row.of(
            "work_done",
            key,
            **common,
            end_reason=work.end_reason.value,
            ended_at=work.ended_at,
        )
        return
    waits, forward, profile = work.suspension, work.forward, work.profile
    yield Row.of(
        "work",
        key,
        **common,
        phase=work.phase.value,
        priority=work.priority,
        passed_on=work.passed_on,
        rule=work.rule,
        table_version=work.policy.version,
        urgency=profile.urgency.value,
        value_tier=profile.value_tier.value,
        customer_class=profile.customer_class.value,
        language=profile.language.value,
        routed_at=work.routed_at,
        accept_by=work.accept_by,
        accepted_at=work.accepted_at,
        waiting_for=waits.waiting_for.value if waits else None,
        wait_until=waits.until if waits else None,
        forward_to=forward.to if forward else None,
        forward_kind=forward.kind.value if forward else None,
        back_by=forward.back_by if forward else None,
        contacted_at=work.contacted_at,
        reported_at=work.reported_at,
        opinions=work.opinions,
        promises=[_promise(one) for one in work.promises] or None,
        findings=[_finding(one, work) for one in work.findings] or None,
    )


def _duty(duty: PartnerDuty) -> dict[str, Any]:
    def wire(at: datetime | None) -> str | None:
        return wire_instant(at) if at else None

    return {
        "forward": duty.forward,
        "partner": duty.partner,
        "reached_at": wire(duty.reached_at),
        "told_10010_at": wire(duty.told_10010_at),
        "told_customer_at": wire(duty.told_customer_at),
        "denied_at": wire(duty.denied_at),
        "owes": list(duty.owes),
    }


def _promise(promised: Promised) -> dict[str, Any]:
    clock = promised.of_clock
    return {
        "promise": promised.number,
        "kind": promised.kind.value,
        "of_clock": clock.clock if clock else None,
        "of_instance": clock.instance if clock else None,
        "old_due": wire_instant(promised.old_due) if promised.old_due else None,
        "new_due": wire_instant(promised.new_due),
    }


def _finding(finding: Finding, work: Work) -> dict[str, Any]:
    proposal = work.proposal(finding.number)
    begin, finish = finding.outage_from, finding.outage_to
    return {
        "finding": finding.number,
        "cause": finding.cause.value,
        "found_by": finding.by,
        "paid_by": finding.paid_by.party.value,
        "partner": finding.paid_by.partner,
        "overcharged": _cny(finding.overcharged),
        "outage_from": wire_instant(begin) if begin else None,
        "outage_to": wire_instant(finish) if finish else None,
        "monthly_rent": _cny(finding.monthly_rent),
        "corrects": finding.corrects,
        "corrected_by": finding.corrected_by,
        "proposed": _cny(proposal.amount) if proposal else None,
        "basis": proposal.basis.value if proposal else None,
        "asked": str(work.asks[finding.number]) if finding.number in work.asks else None,
        "waiver_asked": any(
            asked is not None and asked.basis is Basis.RENT_WAIVER
            for asked in map(work.proposal, work.chain(finding.number))
        ),
    }


def _cny(amount: Decimal | None) -> str | None:
    return None if amount is None else format(amount, ".2f")


def team_rows(_subject: str, team: TeamState) -> Iterable[Row]:
    """A team as it was last changed."""
    last = team.last
    yield Row.of(
        "team",
        {"team": last.team},
        province=last.province,
        available=last.available,
        calendar=last.calendar,
        queues=list(last.queues),
        seats=[seat.model_dump(mode="json") for seat in last.seats],
    )


DECIDERS: tuple[Decider[Any], ...] = (
    replace(WORK, rows=work_rows),
    replace(TEAM, rows=team_rows),
)
"""Routing's streams with the rows they show."""


def heard_rows(recorded: Recorded[Any]) -> Iterable[Row]:
    """What is kept of an event of another service: each is a step that owners are informed of."""
    event = recorded.data
    yield _heard("step", recorded, at=recorded.at, type=recorded.type, actor=recorded.actor)
    clocks = _clock_news(event)
    if clocks:
        yield _heard("clock_heard", recorded, clocks=clocks)
    match event:
        case CompensationSubmitted() | CompensationRefused() | CompensationLapsed():
            state = _SETTLED[type(event)]
            yield _heard(
                "compensation_heard",
                recorded,
                asked=event.asked,
                state=state.value,
                granted_total=None,
            )
        case CompensationGranted():
            yield _heard(
                "compensation_heard",
                recorded,
                asked=event.asked,
                state=SettledAs.GRANTED.value,
                granted_total=_cny(event.total),
            )
        case CaseInstructed():
            yield _heard(
                "instruction_heard",
                recorded,
                case_number=event.case,
                instruction=event.instruction,
                team=event.team,
                due_at=event.due,
                what=event.text,
            )


_SETTLED = {
    CompensationSubmitted: SettledAs.SUBMITTED,
    CompensationRefused: SettledAs.REFUSED,
    CompensationLapsed: SettledAs.LAPSED,
}


def _heard(table: str, recorded: Recorded[Any], **values: Any) -> Row:
    key = {
        "complaint": UUID(recorded.subject),
        "source": recorded.source,
        "sequence": recorded.sequence,
    }
    return Row.of(table, key, **values)


def _clock_news(event: Any) -> list[dict[str, Any]]:
    """What an event says of each of its clocks; a later event of the same clock overrides."""
    match event:
        case ClocksStarted():
            return [
                _news(one, purpose=one.purpose.value, due=_at(one.due), state="running")
                for one in event.clocks
                if one.purpose not in NOT_THE_DESKS
            ]
        # Whether a clock waits is kept beside its state: a due set right is no news of a verdict.
        case ClocksPaused():
            return [_news(one, due=None, waits=True) for one in event.clocks]
        case ClocksRescheduled():
            return [_news(one, due=_at(one.due), waits=False) for one in event.clocks]
        case ClocksCancelled():
            return [_news(one, state="over") for one in event.clocks]
        case ClockWarned() if event.purpose not in NOT_THE_DESKS and not event.stale:
            return [_news(event.ref, warned=event.level.value)]
        case ClockBreached() if event.purpose not in NOT_THE_DESKS:
            return [_news(event.ref, due=_at(event.due_at), state="breached")]
        case ClockCorrected() if event.purpose not in NOT_THE_DESKS:
            return [_news(event.ref, due=_at(event.due), state=_CORRECTED[event.now].value)]
    return []


_CORRECTED: Mapping[Verdict, ClockState] = {
    Verdict.RUNNING: ClockState.RUNNING,
    Verdict.MET: ClockState.OVER,
    Verdict.BREACHED: ClockState.BREACHED,
    Verdict.CANCELLED: ClockState.OVER,
}


def _news(clock: ClockRef, **said: Any) -> dict[str, Any]:
    return {
        "clock": clock.clock,
        "instance": clock.instance,
        "started_in": clock.started_in,
        **said,
    }


def _at(instant: datetime | None) -> str | None:
    return None if instant is None else wire_instant(instant)
