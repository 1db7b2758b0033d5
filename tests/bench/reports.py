"""How much memory a report takes, over ten years and many complaints, live and by replay.

python -m tests.bench.reports [--complaints 1000000]

The rows are written by SQL, as many to each complaint as a loop leaves; each report is made in a
process of its own, so that its peak is its own. `records` has as many lines as there are
complaints: it is asked for its first 100,000.
"""

import argparse
import multiprocessing
import resource
import time
from datetime import date
from queue import Queue
from typing import Any

import psycopg

from libs.eventlog.schema import create_view
from libs.sheets import ROWS_MAX, Format
from services.audit.domain.reporting import REPORTS, Period
from services.audit.reports import FACT_TABLES, report_file
from tests.bench.figures import Figure, show
from tests.stack import room

PERIOD = Period(date(2016, 1, 1), date(2025, 12, 31))
DAYS = 3_653
BASE = "a process that made no report"

FILL = (
    "INSERT INTO report_complaint (complaint, receipt, person, kind, category, urgency, "
    "customer_class, value_tier, channel, province, told_at, told_on, history, cycle, urges, "
    "repeat_no, answered_at, closed_at, outcome) SELECT md5(n::text)::uuid, 'B' || n, "
    "md5((n % 50000)::text)::uuid, 'complaint', 'billing.overcharge', 'ordinary', 'personal', "
    "'ordinary', 'sms', 'guangdong', t, t::date, false, 1 + n % 2, n % 3, n % 4, t, t, 'satisfied' "
    "FROM (SELECT n, timestamptz '2016-01-01' + n % {days} * interval '1 day' "
    "+ n % 80000 * interval '1 second' AS t FROM generate_series(1, {count}) n) told",
    "INSERT INTO report_work (complaint, owner_team, owner_agent, team, agent) SELECT complaint, "
    "'team-' || urges, 'a-' || left(receipt, 3), 'team-1', 'a-1' FROM report_complaint",
    "INSERT INTO report_answer (complaint, answer, cycle, team, agent, decision, compensation, "
    "answered_at, answered_on) SELECT complaint, 3, 1, 'team-' || urges, 'a-' || left(receipt, 3), "
    "'upheld', 1.23, told_at, told_on FROM report_complaint",
    "INSERT INTO report_survey (complaint, cycle, by, asked_at, asked_on, score, satisfied, "
    "answered_at, outcome, concluded_on) SELECT complaint, 1, 'message', told_at, told_on, 9, "
    "true, told_at, 'satisfied', told_on FROM report_complaint",
    "INSERT INTO report_clock (complaint, clock, instance, cycle, policy, last_counted, state, "
    "history) SELECT complaint, clock, '', 1, '1', told_on, 'met', false FROM report_complaint, "
    "unnest(ARRAY['acknowledge', 'first_contact', 'resolve']) clock",
    "INSERT INTO report_refund (complaint, granted, finding, basis, amount, total, under, role, "
    "granted_at, granted_on) SELECT complaint, 1, 1, 'double_refund', 1.23, 1.23, 'limit', 'team', "
    "told_at, told_on FROM report_complaint WHERE repeat_no = 0",
    "ANALYZE",
)


def filled(dsn: str, complaints: int) -> None:
    """Audit's own tables, with so many complaints in them."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        for table in FACT_TABLES:
            for statement in create_view(table):
                conn.execute(statement)
        for statement in FILL:
            conn.execute(statement.format(days=DAYS, count=complaints))


def one(dsn: str, name: str | None, form: Format, told: "Queue[tuple[int, int, float]]") -> None:
    """Makes a report; tells its bytes, the process' peak of memory in KB, and its seconds."""
    started, size = time.perf_counter(), 0
    if name is not None:
        with psycopg.connect(dsn) as conn, report_file(conn, name, PERIOD, form, ROWS_MAX) as file:
            while part := file.read(1 << 18):
                size += len(part)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    told.put((size, peak, time.perf_counter() - started))


def main() -> None:
    """Measures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--complaints", type=int, default=1_000_000)
    complaints: int = parser.parse_args().complaints
    figures = []
    context: Any = multiprocessing.get_context("fork")
    with room(("audit",)) as where:
        dsn = where.dsns["audit"]
        filled(dsn, complaints)
        print(f"{complaints:,} complaints over ten years")
        asked = [(None, Format.JSON), *((name, Format.JSON) for name in REPORTS)]
        asked += [("records", form) for form in (Format.CSV, Format.XLSX, Format.TABLE)]
        for name, form in asked:
            told = context.Queue()
            process = context.Process(target=one, args=(dsn, name, form, told))
            process.start()
            size, peak, seconds = told.get()
            process.join()
            label = BASE if name is None else f"{name} {form}"
            print(f"{label:32} {size / 1e6:10.1f} MB written {seconds:8.1f} s", flush=True)
            figures.append(Figure(f"{label}: peak of memory", peak / 1024, "MB", 1))
    show(figures, f"{BASE}: peak of memory")


if __name__ == "__main__":
    main()
