"""Audit's own clock, set ahead of its database's, lets nothing go: not proposed, approved, signed.

What is asked for here is right but for the clock, so that the clock alone can refuse it.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import psycopg
import pytest
from prometheus_client import CollectorRegistry
from psycopg.rows import dict_row

from contracts.housekeeping import PurgeApproved
from libs.decider import DomainError, To
from libs.eventlog.envelope import Origin
from libs.eventlog.store import Store
from libs.eventlog.writer import Writer
from libs.timekeeping.clock import SteppedClock
from services.audit.archive import Archive
from services.audit.domain.purging import ApprovePurge, ProposePurge, subject_of
from services.audit.letting_go import ASKED, Office
from services.audit.main import describe
from services.audit.signing import PurgeKey
from tests.integration.audit.tellers import complaint
from tests.integration.audit.test_archive import PARTITIONS, SEPTEMBER, Relays, keep, stories
from tests.integration.keeper.purges import KEY
from tests.stack import room

AHEAD = datetime(2099, 1, 1, tzinfo=UTC)
MONTH = "2025-09"
HEARD = "INSERT INTO complaint (complaint, kind, kept_from) VALUES (%s, 'complaint', %s)"


def test_a_clock_set_ahead_of_the_databases_lets_nothing_go() -> None:
    with (
        room(("audit",), with_topics=False) as where,
        psycopg.connect(where.dsns["audit"], autocommit=True, row_factory=dict_row) as conn,
    ):
        store = Store(describe(), where.service_dsns["audit"])
        clock = SteppedClock(AHEAD)
        writer = Writer(describe(), store, clock, partitions=PARTITIONS)
        writer.start()
        conn.execute(
            "INSERT INTO inbox_offset (topic, partition, topic_id, next) "
            "SELECT 'log', p, 'first', 0 FROM generate_series(0, %s) AS p",
            (PARTITIONS - 1,),
        )
        keep(Archive(CollectorRegistry()), conn, stories(Relays(), range(1), SEPTEMBER))
        conn.execute(HEARD, (complaint(0), SEPTEMBER))
        app: Any = SimpleNamespace(store=store, writer=writer, clock=clock)
        vouched: Any = SimpleNamespace(unvouched=lambda: timedelta(0))
        office = Office(app, PurgeKey(KEY), vouched)

        def on_record() -> list[Any]:
            return conn.execute("SELECT * FROM stored_events ORDER BY notification_id").fetchall()

        def said(command: ProposePurge | ApprovePurge) -> None:
            to, origin = To(subject_of(MONTH), command), Origin("request", command.by)
            writer.transact(lambda work: work.apply(to, origin))

        def refused(deed: Callable[[], object]) -> None:
            before = on_record()
            with pytest.raises(DomainError) as no:
                deed()
            assert (no.value.rule, on_record()) == ("clock-ahead", before)

        with store.connection() as own:
            told = office.plan(own, MONTH, AHEAD)
        assert [one.complaint for one in told.goes] == [UUID(complaint(0))]
        refused(lambda: office.proposed(MONTH, "retention_over", AHEAD, "auditor:wang"))
        said(
            ProposePurge(
                at=AHEAD,
                cohort=MONTH,
                plan=told.digest,
                complaints=1,
                streams=len(told.heads),
                events=told.events,
                kept=0,
                ground="retention_over",
                by="auditor:wang",
            )
        )
        refused(lambda: office.approved(MONTH, told.digest, "privacy:li"))
        part = PurgeApproved(
            cohort=MONTH,
            part=1,
            parts=1,
            plan=told.digest,
            heads=told.heads,
            asked=ASKED,
            by="privacy:li",
        )
        same = told.digest
        said(ApprovePurge(at=AHEAD, asked=same, plan=same, by="privacy:li", parts=(part,)))
        refused(lambda: office.sign(MONTH))
        store.close()
