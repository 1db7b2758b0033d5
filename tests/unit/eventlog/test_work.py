"""A unit of work: what fails in the middle is taken back whole."""

from datetime import UTC, datetime

from libs.decider import Policies
from libs.eventlog.purging import Purge
from libs.eventlog.work import Reader, Work
from services.routing.main import describe

NOON = datetime(2025, 10, 9, 4, tzinfo=UTC)


def test_a_purge_whose_hearing_fails_is_taken_back_and_an_earlier_one_stays() -> None:
    work = Work(describe(), Reader(), Policies(), NOON, 1)
    heard, failed = (
        Purge(record, "purge:2025-08", b"{}", (), last=True) for record in ("first", "second")
    )
    work.extra.purges.append(heard)
    mark = work.savepoint()
    work.extra.purges.append(failed)
    work.rollback_to(mark)
    assert work.unit().purges == [heard]
