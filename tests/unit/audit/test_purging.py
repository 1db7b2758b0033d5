"""A purge is proposed by one person and approved by another, on one and the same plan."""

import asyncio
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from contracts.housekeeping import (
    ArchivedRun,
    CohortArchived,
    CohortPurged,
    Head,
    PurgeApproved,
    PurgeProposed,
    PurgeWithdrawn,
)
from libs.decider import Row
from libs.decider.story import Story
from libs.timekeeping.clock import SteppedClock
from libs.web.access import load_access_table
from services.audit import letting_go, retaining
from services.audit.domain.cohorts import Cohort
from services.audit.domain.purging import (
    GONE_ROWS,
    PURGES,
    ApprovePurge,
    CohortInFile,
    Entry,
    NoPurgeProposed,
    NothingGoes,
    OwnPurge,
    PlanChanged,
    ProposePurge,
    PurgeIsProposed,
    SignPurge,
    Stage,
    WithdrawPurge,
    still_going,
)
from services.audit.domain.retention import Fate, Plan, Stays
from services.audit.letting_go import Office, Signer, TimeUnvouched, by_the_leap

NOW = datetime(2026, 3, 1, 1, 0, tzinfo=UTC)
COMPLAINT = UUID("5b0fdb9c-6f5b-5f3c-9d55-0d3c6a0a4a11")
PLAN, OTHER = "a" * 64, "b" * 64
MONTH = Story(PURGES, subject="purge:2025-08", now=NOW)


def propose(plan: str = PLAN, by: str = "auditor:wang", complaints: int = 1) -> ProposePurge:
    return ProposePurge(
        at=NOW,
        cohort="2025-08",
        plan=plan,
        complaints=complaints,
        streams=1,
        events=9,
        kept=3,
        ground="retention_over",
        by=by,
    )


PROPOSED = PurgeProposed(
    cohort="2025-08",
    plan=PLAN,
    complaints=1,
    streams=1,
    events=9,
    kept=3,
    ground="retention_over",
    by="auditor:wang",
)
HEAD = Head(source="/bihuan/intake", subject=str(COMPLAINT), sequence=9, digest="c" * 64)
APPROVED = PurgeApproved(
    cohort="2025-08",
    part=1,
    parts=1,
    plan=PLAN,
    heads=(HEAD,),
    asked=("/bihuan/intake", "/bihuan/audit"),
    by="privacy:li",
)
PURGED = CohortPurged(
    cohort="2025-08",
    part=1,
    parts=1,
    plan=PLAN,
    heads=(HEAD,),
    count=9,
    ground="retention_over",
    proposed_by="auditor:wang",
    by="privacy:li",
    key="k" * 43,
    signature="s" * 86,
)


def approve(asked: str = PLAN, now: str = PLAN, by: str = "privacy:li") -> ApprovePurge:
    return ApprovePurge(at=NOW, asked=asked, plan=now, by=by, parts=(APPROVED,))


def sign(*parts: CohortPurged, plan: str = PLAN) -> SignPurge:
    return SignPurge(at=NOW, cohort="2025-08", plan=plan, parts=parts)


def rows(story: Story, table: str) -> list[Row]:
    return [row for row in story.rows if row.table == table]


def stages(story: Story) -> list[str]:
    return [dict(row.values)["stage"] for row in rows(story, "purge")]


def test_one_proposes_another_approves_and_it_goes_once_all_have_answered() -> None:
    story = MONTH.when(propose()).then(PROPOSED)
    story.when(propose()).then_nothing()
    approved = story.when(approve()).then(APPROVED)
    approved.when(approve()).then_nothing()
    assert rows(approved, GONE_ROWS) == [], "nothing goes yet"
    gone = approved.when(sign(PURGED)).then(PURGED)
    gone.when(sign(PURGED)).then_nothing()
    gone.when(approve()).then_nothing()
    (row,) = rows(gone, GONE_ROWS)
    assert dict(row.key) == {"complaint": COMPLAINT}
    assert dict(row.values)["cohort"] == "2025-08"
    assert [stages(one) for one in (story, approved, gone)] == [
        ["proposed"],
        ["approved"],
        ["under_way"],
    ]


def test_until_it_is_signed_an_approved_purge_can_be_withdrawn() -> None:
    approved = MONTH.given(PROPOSED, APPROVED)
    approved.when(propose(OTHER)).then_refused(PurgeIsProposed)
    withdraw = WithdrawPurge(at=NOW, cohort="2025-08", ground="hold_to_come", by="privacy:li")
    withdrawn = PurgeWithdrawn(cohort="2025-08", plan=PLAN, ground="hold_to_come", by="privacy:li")
    off = approved.when(withdraw).then(withdrawn)
    off.when(sign(PURGED)).then_nothing()
    assert rows(off, GONE_ROWS) == []
    approved.given(PURGED).when(withdraw).then_refused(NoPurgeProposed)


def test_what_was_not_approved_is_not_signed() -> None:
    other = HEAD.model_copy(update={"sequence": 10})
    more = PURGED.model_copy(update={"heads": (HEAD, other)})
    approved = MONTH.given(PROPOSED, APPROVED)
    approved.when(sign(more)).then_refused(PlanChanged)
    approved.when(sign(PURGED, plan=OTHER)).then_nothing()
    MONTH.given(PROPOSED).when(sign(PURGED)).then_nothing()


def test_where_all_were_taken_up_again_it_is_off() -> None:
    off = PurgeWithdrawn(cohort="2025-08", plan=PLAN, ground="all_taken_up", by="system:audit")
    story = MONTH.given(PROPOSED, APPROVED).when(sign()).then(off)
    assert stages(story.when(propose(OTHER))) == ["withdrawn", "proposed"]


def test_what_a_service_keeps_stays_with_all_that_it_was_merged_with() -> None:
    one, two, three, four = (UUID(int=number) for number in (1, 2, 3, 4))
    ends = tuple(
        Head(source="/bihuan/intake", subject=str(each), sequence=3, digest="c" * 64)
        for each in (one, two, three, four)
    )
    fates = (Fate(one), Fate(two, group=two), Fate(three, group=two), Fate(four))

    def going(kept: set[UUID], now: tuple[Head, ...] = ends) -> set[UUID]:
        goes = tuple(each for each in fates if str(each.complaint) in {e.subject for e in now})
        plan = Plan("2025-08", NOW, "1", goes, (), now)
        return {UUID(head.subject) for head in still_going(ends, plan, kept)}

    assert going(set()) == {one, two, three, four}
    assert going({two}) == going({three}) == {one, four}
    assert going(set(), ends[1:]) == {two, three, four}, "a hold came"
    moved = ends[0].model_copy(update={"sequence": 4})
    assert going(set(), (moved, *ends[1:])) == {two, three, four}
    assert going({one, two, three, four}) == set()


def test_only_auditors_and_who_protects_personal_data_may_let_records_go() -> None:
    table = load_access_table(Path(__file__).parents[3] / "infra/access.v1.yaml")
    assert {role for role, may in table.roles.items() if "audit.purge" in may} == {
        "auditor",
        "privacy",
    }


def test_nobody_approves_their_own() -> None:
    MONTH.given(PROPOSED).when(approve(by="auditor:wang")).then_refused(OwnPurge)


@pytest.mark.parametrize(("asked", "now"), [(OTHER, PLAN), (PLAN, OTHER), (OTHER, OTHER)])
def test_a_plan_that_is_not_the_one_proposed_is_refused(asked: str, now: str) -> None:
    MONTH.given(PROPOSED).when(approve(asked, now)).then_refused(PlanChanged)


def test_what_was_withdrawn_or_never_proposed_is_not_approved() -> None:
    MONTH.when(approve()).then_refused(NoPurgeProposed)
    withdraw = WithdrawPurge(at=NOW, cohort="2025-08", ground="hold_to_come", by="privacy:li")
    withdrawn = PurgeWithdrawn(cohort="2025-08", plan=PLAN, ground="hold_to_come", by="privacy:li")
    story = MONTH.given(PROPOSED).when(withdraw).then(withdrawn)
    story.when(withdraw).then_refused(NoPurgeProposed)
    story.when(approve()).then_refused(NoPurgeProposed)
    assert rows(story, GONE_ROWS) == []


def test_a_month_has_one_proposal_at_a_time() -> None:
    story = MONTH.given(PROPOSED)
    story.when(propose(OTHER)).then_refused(PurgeIsProposed)
    story.when(propose(by="privacy:li")).then_refused(PurgeIsProposed)
    again = story.given(APPROVED, PURGED).when(propose(OTHER))
    assert stages(again) == ["under_way", "proposed"]


def test_where_nothing_goes_nothing_is_proposed() -> None:
    MONTH.when(propose(complaints=0)).then_refused(NothingGoes)


def test_what_lies_in_a_file_may_be_approved_and_is_signed_only_once_it_is_back() -> None:
    """Looked at again at the commit: a file on record would keep the bytes of what is signed."""
    run = ArchivedRun(partition=3, records=4, life=1, offset=17, digest="c" * 64)
    told = CohortArchived(
        cohort="2025-08",
        file="f" * 64,
        key=f"2025-08/{'f' * 64}.parquet",
        bytes=9,
        events=4,
        streams=2,
        partitions=(run,),
        replaces=None,
        by="admin-1",
    )
    filed = MONTH.beside("cohort", "2025-08", Cohort(told))
    filed.when(propose()).then(PROPOSED)
    filed.given(PROPOSED).when(approve()).then(APPROVED)
    filed.given(PROPOSED, APPROVED).when(sign(PURGED)).then_refused(CohortInFile)
    back = MONTH.beside("cohort", "2025-08", Cohort())
    back.given(PROPOSED, APPROVED).when(sign(PURGED)).then(PURGED)


def test_one_month_that_cannot_be_signed_holds_no_other_up() -> None:
    """Each is tried again by itself, a minute later; what is not ready any more is forgotten.

    Nor does one that lies in a file and cannot be brought back now.
    """
    clock, signed, ran_s = SteppedClock(NOW), list[str](), 0.0
    ready = ["2025-06", "2025-07", "2025-08"]

    def sign(cohort: str) -> None:
        if cohort == "2025-07":
            raise CohortInFile
        signed.append(cohort)
        ready.remove(cohort)

    async def in_thread(call: Callable[..., Any], *args: Any) -> Any:
        return call(*args)

    app: Any = SimpleNamespace(clock=clock, in_thread=in_thread)
    office: Any = SimpleNamespace(ready=lambda: list(ready), sign=sign)

    async def brought_back(cohort: str) -> bool:
        return cohort != "2025-06"

    signer = Signer(app, office, brought_back, lambda: ran_s)
    assert signer.next_due() == NOW
    asyncio.run(signer.run())
    assert (signed, signer.next_due()) == (["2025-08"], None)
    ready.append("2025-09")
    assert signer.next_due() == NOW
    asyncio.run(signer.run())
    assert (signed, signer.next_due()) == (["2025-08", "2025-09"], None)
    clock.jump(NOW + timedelta(days=365))
    assert signer.next_due() is None, "a clock that leaps is no minute that passes"
    ran_s = 60.0
    assert signer.next_due() == clock.now()
    ready.clear()
    assert signer.next_due() is None


def test_what_failed_during_a_leap_is_tried_again_in_a_minute_and_not_when_the_leap_ends() -> None:
    """Set right again, the clock is a year behind what it said when that failed."""
    wall, ran_s = NOW + timedelta(days=365), 0.0
    tried = list[str]()

    def refuses(cohort: str) -> None:
        tried.append(cohort)
        raise CohortInFile

    async def in_thread(call: Callable[..., Any], *args: Any) -> Any:
        return call(*args)

    async def brought_back(_: str) -> bool:
        return True

    app: Any = SimpleNamespace(clock=SimpleNamespace(now=lambda: wall), in_thread=in_thread)
    office: Any = SimpleNamespace(ready=lambda: ["2025-08"], sign=refuses)
    signer = Signer(app, office, brought_back, lambda: ran_s)
    asyncio.run(signer.run())
    wall, ran_s = NOW, 60.0
    assert signer.next_due() == NOW
    asyncio.run(signer.run())
    assert tried == ["2025-08", "2025-08"]


YEAR = timedelta(days=365)
DUE = NOW - timedelta(days=30)


def plan_as_of(goes: bool) -> Plan:
    """The month's one complaint goes, or is kept for its time is not over."""
    fate = Fate(COMPLAINT, () if goes else (Stays.NOT_YET,), due=DUE)
    heads = (HEAD,) if goes else ()
    return Plan("2025-08", NOW, "v1", (fate,) * goes, (fate,) * (not goes), heads)


@pytest.mark.parametrize("asked", [None, frozenset({COMPLAINT})])
def test_what_goes_by_a_leap_alone_is_kept_and_until_when_is_said(
    asked: frozenset[UUID] | None,
) -> None:
    """Whether it is proposed, or was approved before the clock leapt."""
    with pytest.raises(TimeUnvouched, match=r"365 day.* until the clock says 2027-01-30T01:00"):
        by_the_leap(plan_as_of(goes=True), plan_as_of(goes=False), YEAR, asked)


def test_a_plan_proposed_before_the_leap_is_named_so() -> None:
    leapt, told = plan_as_of(goes=True), plan_as_of(goes=False)
    with pytest.raises(TimeUnvouched):
        by_the_leap(leapt, told, YEAR, frozenset(), leapt.digest)


def test_what_goes_without_the_leap_too_goes() -> None:
    leapt = plan_as_of(goes=True)
    by_the_leap(leapt, leapt, YEAR, frozenset({COMPLAINT}))
    by_the_leap(leapt, leapt, YEAR)


def test_what_nobody_asked_for_is_no_matter_of_the_clock() -> None:
    """It came due meanwhile, or its plan changed for another reason."""
    leapt, told = plan_as_of(goes=True), plan_as_of(goes=False)
    by_the_leap(leapt, told, YEAR, frozenset({UUID(int=1)}))
    by_the_leap(leapt, told, YEAR, frozenset(), OTHER)


LONG = timedelta(days=60)


@pytest.mark.parametrize(
    ("after", "unvouched", "goes"),
    [(LONG, LONG - timedelta(days=1), True), (timedelta(hours=1), YEAR, False)],
    ids=["a rest since", "a leap before"],
)
def test_what_was_approved_is_signed_by_the_time_that_is_vouched_for_until_now(
    monkeypatch: pytest.MonkeyPatch, after: timedelta, unvouched: timedelta, goes: bool
) -> None:
    """It was due 30 days before it was proposed. Of a rest of audit's since a day counts: that
    takes nothing from what was lived through before; a leap does, that lies before the proposal.
    """
    told = list[Any]()
    entry = Entry(Stage.APPROVED, PLAN, "over", "auditor:wang", NOW, 1, 1, 9, 3, "privacy:li")
    work: Any = SimpleNamespace(
        now=NOW + after,
        state=lambda *_: SimpleNamespace(approved=replace(entry, heads=(HEAD,))),
        extra=SimpleNamespace(),
        apply=lambda to, _: told.append(to.command),
    )
    app: Any = SimpleNamespace(
        store=SimpleNamespace(connection=nullcontext),
        writer=SimpleNamespace(transact=lambda decide: decide(work)),
    )
    key: Any = SimpleNamespace(public="k" * 43, sign=lambda _: "s" * 86)
    witness: Any = SimpleNamespace(unvouched=lambda: unvouched)
    monkeypatch.setattr(retaining, "plan", lambda _, __, at, ___: plan_as_of(goes=at >= DUE))
    monkeypatch.setattr(letting_go, "one_moment", nullcontext)
    monkeypatch.setattr(letting_go, "check", lambda *_: None)
    monkeypatch.setattr(Office, "_kept", lambda *_: frozenset())
    monkeypatch.setattr(Office, "_policy", lambda *_: None)
    with nullcontext() if goes else pytest.raises(TimeUnvouched):
        Office(app, key, witness).sign("2025-08")
    assert [part.heads for one in told for part in one.parts] == [(HEAD,)] * goes
