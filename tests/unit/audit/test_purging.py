"""A purge is proposed by one person and approved by another, on one and the same plan."""

from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from contracts.housekeeping import (
    ArchivedRun,
    CohortArchived,
    CohortPurged,
    Head,
    PurgeProposed,
    PurgeWithdrawn,
)
from libs.decider import Row
from libs.decider.story import Story
from libs.web.access import load_access_table
from services.audit.domain.cohorts import Cohort
from services.audit.domain.purging import (
    GONE_ROWS,
    PURGES,
    ApprovePurge,
    CohortInFile,
    NoPurgeProposed,
    NothingGoes,
    OwnPurge,
    PlanChanged,
    ProposePurge,
    PurgeIsProposed,
    WithdrawPurge,
)

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
PURGED = CohortPurged(
    cohort="2025-08",
    part=1,
    parts=1,
    plan=PLAN,
    heads=(Head(source="/bihuan/intake", subject=str(COMPLAINT), sequence=9, digest="c" * 64),),
    count=9,
    ground="retention_over",
    proposed_by="auditor:wang",
    by="privacy:li",
    key="k" * 43,
    signature="s" * 86,
)


def approve(asked: str = PLAN, now: str = PLAN, by: str = "privacy:li") -> ApprovePurge:
    return ApprovePurge(at=NOW, asked=asked, plan=now, by=by, parts=(PURGED,))


def rows(story: Story, table: str) -> list[Row]:
    return [row for row in story.rows if row.table == table]


def test_one_proposes_and_another_approves() -> None:
    story = MONTH.when(propose()).then(PROPOSED)
    story.when(propose()).then_nothing()
    gone = story.when(approve()).then(PURGED)
    gone.when(approve()).then_nothing()
    (row,) = rows(gone, GONE_ROWS)
    assert dict(row.key) == {"complaint": COMPLAINT}
    assert dict(row.values)["cohort"] == "2025-08"


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
    again = story.when(approve()).when(propose(OTHER))
    assert [dict(row.values)["stage"] for row in rows(again, "purge")] == ["purged", "proposed"]


def test_where_nothing_goes_nothing_is_proposed() -> None:
    MONTH.when(propose(complaints=0)).then_refused(NothingGoes)


def test_what_lies_in_a_file_is_neither_proposed_nor_approved_to_go() -> None:
    """Looked at again at the commit, for the month may have left since the plan was made."""
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
    filed.when(propose()).then_refused(CohortInFile)
    filed.given(PROPOSED).when(approve()).then_refused(CohortInFile)
    back = MONTH.beside("cohort", "2025-08", Cohort())
    back.given(PROPOSED).when(approve()).then(PURGED)
