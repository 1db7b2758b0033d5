"""What a case stream shows: every case and every award. Pure."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any
from uuid import UUID

from contracts.escalation import CaseCause
from contracts.intake import ComplaintRegistered
from libs.decider import Recorded, Row
from libs.decider.decider import wire_instant
from services.escalation.domain import CASES
from services.escalation.domain.state import Award, Case, Cases


def rows(subject: str, state: Cases) -> Iterable[Row]:
    """What a case stream shows: every case and every award."""
    complaint = UUID(subject)
    return (
        *(_case_row(complaint, case) for case in state.cases.values()),
        *(_award_row(complaint, award, state) for award in state.awards.values()),
    )


DECIDERS = (replace(CASES, rows=rows),)
"""The service's streams with what they show."""


def heard_rows(recorded: Recorded[Any]) -> Iterable[Row]:
    """What is kept of a registered complaint: what the desk sorts by and the rate counts."""
    event = recorded.data
    if not isinstance(event, ComplaintRegistered):
        return ()
    registration = event.registration
    profile = registration.profile
    return (
        Row.of(
            "escalation_complaint",
            {"complaint": UUID(recorded.subject)},
            receipt=registration.correspondent.receipt,
            category=profile.category.value,
            urgency=profile.urgency.value,
            value_tier=profile.value_tier.value,
            customer_class=profile.customer_class.value,
            province=profile.handling_province,
            language=profile.language.value,
            registered_at=registration.clock_from,
        ),
    )


def _case_row(complaint: UUID, case: Case) -> Row:
    corrective = case.corrective_action
    return Row.of(
        "escalation_case",
        {"complaint": complaint, "number": case.number},
        rank=-case.tier,
        tier=case.tier,
        cycle=case.cycle,
        trigger=case.trigger.value,
        causes=[_cause(one) for one in case.causes],
        customer_asked=case.customer_asked,
        stage=case.stage.value,
        requested_at=case.requested_at,
        officer=case.officer,
        accepted_at=case.accepted_at,
        contacted_at=case.contacted_at,
        instructions=[
            {"number": one.number, "team": one.team, "due": wire_instant(one.due), "done": one.done}
            for one in case.instructions
        ],
        decision=case.decision.value if case.decision else None,
        decided_at=case.decided_at,
        final=case.final,
        corrective_owner=corrective.owner if corrective else None,
        corrective_due=corrective.due if corrective else None,
        corrected_at=case.corrected_at,
        reports={what.value: ref for what, ref in case.reports.items()},
        outcome=case.outcome.value if case.outcome else None,
        reason=case.reason,
        ended_at=case.ended_at,
    )


def _cause(cause: CaseCause) -> dict[str, str]:
    shown = {"trigger": cause.trigger.value, "event": str(cause.cause)}
    return {**shown, "clock": cause.clock.clock} if cause.clock else shown


def _award_row(complaint: UUID, award: Award, state: Cases) -> Row:
    settled = "refused" if award.refused else "granted"
    return Row.of(
        "escalation_award",
        {"complaint": complaint, "finding": award.finding},
        state="submitted" if award.pending else settled,
        basis=award.basis.value,
        amount=format(award.amount, ".2f"),
        granted=format(award.granted, ".2f"),
        complaint_granted=format(state.granted, ".2f"),
        proposed_by=award.proposed_by,
        role=award.role,
        authority=award.authority,
        paid_by=award.paid_by.party.value,
        partner=award.paid_by.partner,
        asked_at=award.asked_at,
        settled_by=award.settled_by,
        settled_at=award.settled_at,
    )
