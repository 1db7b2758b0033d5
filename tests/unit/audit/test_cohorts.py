"""When a month's records may leave the database, and what is on record of it.

DESIGN, Audit: cohorts that nothing touches any more leave as files; nothing is lost by it.
"""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import yaml

from contracts.housekeeping import ArchivedRun, CohortArchived, CohortRestored
from libs.decider.story import DAWN, Story
from services.audit.domain.cohorts import (
    COHORTS,
    ArchiveCohort,
    ArchivePolicy,
    MayNotLeave,
    NotArchived,
    OtherFile,
    RestoreCohort,
    Standing,
    hindrances,
    may_lie_in_a_file,
)
from services.audit.domain.purging import Entry, Purges, Stage

ROOT = Path(__file__).parents[3]
POLICY = ROOT / "services/audit/policy/archive.v1.yaml"
FIRST, SECOND = "a" * 64, "b" * 64

RULES = ArchivePolicy(
    name="archive", version="t", effective_from="2004-01-01", quiet_months=6, log_days=30
)
QUIET = Standing(
    "2025-09", events=100, complaints=9, newest=datetime(2025, 10, 31, 15, 59, tzinfo=UTC)
)
"""Its last record was made on 31 October at 23:59 in Shanghai."""


def archived(file: str, replaces: str | None = None) -> CohortArchived:
    return CohortArchived(
        cohort="2025-09",
        file=file,
        key=f"2025-09/{file}.parquet",
        bytes=9,
        events=4,
        streams=2,
        partitions=(ArchivedRun(partition=3, records=4, life=1, offset=17, digest="c" * 64),),
        replaces=replaces,
        by="auditor-1",
    )


def restored(file: str) -> CohortRestored:
    return CohortRestored(cohort="2025-09", file=file, events=4, reason="asked", by="auditor-2")


def test_a_month_leaves_once_it_is_quiet_and_not_a_microsecond_before() -> None:
    """Six calendar months to 24:00 of 30 April in Shanghai, which is 16:00 UTC."""
    assert hindrances(QUIET, RULES, datetime(2026, 4, 30, 16, 0, tzinfo=UTC)) == []
    before = datetime(2026, 4, 30, 15, 59, 59, 999999, tzinfo=UTC)
    assert hindrances(QUIET, RULES, before) == ["not quiet long enough: from 2026-05-01 on"]
    a_minute_later = replace(QUIET, newest=datetime(2025, 10, 31, 16, 0, tzinfo=UTC))
    assert hindrances(a_minute_later, RULES, datetime(2026, 5, 1, 15, 59, tzinfo=UTC)) != []
    assert hindrances(a_minute_later, RULES, datetime(2026, 5, 1, 16, 0, tzinfo=UTC)) == []


def test_whatever_touches_a_month_keeps_it_and_is_named() -> None:
    later = datetime(2027, 1, 1, tzinfo=UTC)
    for changed, reason in (
        ({"open": 2}, "2 complaint(s) are open"),
        ({"parked": 1}, "1 complaint(s) wait behind a parked record"),
        ({"events": 0}, "the database holds no records of it"),
        ({"proposed": True}, "a purge of it is proposed or approved: finish or withdraw it first"),
        ({"going": True}, "a purge of it was approved and is not carried out yet"),
    ):
        assert hindrances(replace(QUIET, **changed), RULES, later) == [reason]


def test_a_month_without_complaints_is_quiet_by_its_own_end() -> None:
    alone = Standing("2025-09", events=3)
    assert hindrances(alone, RULES, datetime(2026, 3, 30, 15, 59, tzinfo=UTC)) != []
    assert hindrances(alone, RULES, datetime(2026, 3, 30, 16, 0, tzinfo=UTC)) == []


def test_what_has_no_date_never_leaves() -> None:
    (reason,) = hindrances(Standing("1970-01", events=1), RULES, datetime(2027, 1, 1, tzinfo=UTC))
    assert reason == "records without a readable time stay in the database"


def test_a_file_holds_until_another_replaces_it_or_the_records_are_back() -> None:
    first = ArchiveCohort(at=DAWN, archived=archived(FIRST))
    story = Story(COHORTS, subject="2025-09").when(first).then(archived(FIRST))
    story.when(first).then_nothing()
    (row,) = story.rows
    assert dict(row.values)["ends"] == [[3, 1, 17]]
    other = ArchiveCohort(at=DAWN, archived=archived(SECOND, replaces=FIRST))
    story = story.when(other).then(archived(SECOND, replaces=FIRST))
    back = RestoreCohort(at=DAWN, restored=restored(SECOND))
    story = story.when(back).then(restored(SECOND))
    assert story.rows == ()
    story.when(back).then_refused(NotArchived)


def test_what_a_purge_had_brought_back_is_remembered_until_somebody_restores_it() -> None:
    """So that a process that comes after writes it again, too; not what a person restored."""
    by_itself = restored(FIRST).model_copy(update={"by": "system:audit", "reason": "purge"})
    back = Story(COHORTS, subject="2025-09").given(archived(FIRST))
    back = back.when(RestoreCohort(at=DAWN, restored=by_itself)).then(by_itself)
    (row,) = back.rows
    assert (row.table, dict(row.values)) == ("brought_back", {"file": FIRST, "written": False})
    again = back.when(ArchiveCohort(at=DAWN, archived=archived(SECOND))).then(archived(SECOND))
    told = {row.table: dict(row.values) for row in again.rows}
    assert told["brought_back"] == {"file": FIRST, "written": True}
    assert told["archived_cohort"]["file"] == SECOND
    asked = RestoreCohort(at=DAWN, restored=restored(SECOND))
    assert again.when(asked).then(restored(SECOND)).rows == ()


def test_a_file_made_from_one_that_no_longer_holds_is_refused() -> None:
    story = Story(COHORTS, subject="2025-09").given(archived(FIRST))
    stale = ArchiveCohort(at=DAWN, archived=archived(SECOND, replaces=None))
    story.when(stale).then_refused(OtherFile)
    story.when(RestoreCohort(at=DAWN, restored=restored(SECOND))).then_refused(OtherFile)


def test_the_policy_waits_longer_than_a_closed_complaint_can_be_reopened() -> None:
    content = yaml.safe_load(POLICY.read_text("utf-8"))
    policy = ArchivePolicy.model_validate(content)
    reopening = yaml.safe_load(
        (ROOT / "services/intake/policy/reopening.v1.yaml").read_text("utf-8")
    )
    days = [reopening[name]["within_days"] for name in ("contact", "late_reply", "visit")]
    assert policy.quiet_months * 28 > max(days)
    assert (policy.quiet_months, policy.log_days) == (6, 30)


def test_the_committed_schema_is_the_policys() -> None:
    committed = json.loads(POLICY.with_name("archive.schema.json").read_text("utf-8"))
    assert committed == ArchivePolicy.model_json_schema()


def test_a_record_under_the_floor_stays_a_row_even_where_its_month_may_leave() -> None:
    """A stream of policies goes on for ever; six months after 31 March end on 30 September."""
    made = datetime(2026, 3, 31, 4, 0, tzinfo=UTC)
    assert not may_lie_in_a_file(made, datetime(2026, 9, 30, 15, 59, tzinfo=UTC))
    assert may_lie_in_a_file(made, datetime(2026, 9, 30, 16, 0, tzinfo=UTC))


def test_a_file_made_while_a_purge_came_up_is_not_put_on_record() -> None:
    """In it the records would outlive their purge; decided under the writer's lock."""
    month, write = (
        Story(COHORTS, subject="2025-09"),
        ArchiveCohort(at=DAWN, archived=archived(FIRST)),
    )
    entry = Entry(Stage.PROPOSED, "d" * 64, "over", "auditor-1", DAWN, 1, 1, 9, 0)
    proposed = Purges(entries=(entry,))
    month.beside("purge", "purge:2025-09", proposed).when(write).then_refused(MayNotLeave)
    withdrawn = Purges(entries=(replace(entry, stage=Stage.WITHDRAWN),))
    month.beside("purge", "purge:2025-09", withdrawn).when(write).then_types(CohortArchived)
    some = UUID(int=1)
    meanwhile = Purges(gone=((some, some, DAWN),))
    month.beside("purge", "purge:2025-09", meanwhile).when(write).then_refused(MayNotLeave)
    before = Purges(gone=((some, some, DAWN - timedelta(microseconds=1)),))
    month.beside("purge", "purge:2025-09", before).when(write).then_types(CohortArchived)
