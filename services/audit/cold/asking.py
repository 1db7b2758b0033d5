"""Questions over archived months, in SQL, without loading them back: DuckDB on their files.

A question may only read: one SELECT, nothing but the months' files, with a limit on memory, time
and rows. In them is what the archive has: events as they were recorded, sealed words sealed.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from libs.decider import Refused

ROWS_MAX = 10_000
SECONDS_MAX = 90.0
MEMORY_MB = 512
SQL_CHARACTERS_MAX = 10_000

QUESTIONS = {
    "months": (
        "SELECT cohort, count(*) AS events, count(DISTINCT subject) AS subjects, "
        'min("time") AS first, max("time") AS last FROM record GROUP BY 1 ORDER BY 1'
    ),
    "types": "SELECT type, count(*) AS events FROM record GROUP BY 1 ORDER BY 2 DESC, 1",
    "verdicts": (
        "SELECT event->'data'->>'clock' AS clock, count(*) FILTER (type = 'clock.met.v1') AS met, "
        "count(*) FILTER (type = 'clock.breached.v1') AS breached FROM record "
        "WHERE type IN ('clock.met.v1', 'clock.breached.v1') GROUP BY 1 ORDER BY 1"
    ),
    "outcomes": (
        "SELECT cohort, event->'data'->>'outcome' AS outcome, count(*) AS closed FROM record "
        "WHERE type = 'complaint.closed.v1' GROUP BY 1, 2 ORDER BY 1, 2"
    ),
}
"""Ready-made ones, by name."""


class NotAQuestion(Refused):
    """A question is one SELECT over `record`; see docs/auditors.md for its columns."""

    rule = "archive-not-a-question"
    zh = "查询须为一条针对 record 的 SELECT 语句"


class TooMuchAsked(Refused):
    """The question needs more time, memory or rows than one may have; ask for less at once."""

    rule = "archive-too-much-asked"
    zh = "查询超出时间、内存或行数限制,请缩小范围"


@dataclass(frozen=True, slots=True)
class Answered:
    """A table: the columns' names, and the rows as plain values."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


_VIEW = """
CREATE VIEW record AS
SELECT regexp_extract(filename, '([0-9]{4}-[0-9]{2})/[0-9a-f]{64}[.]parquet$', 1) AS cohort,
  partition, life, "offset", source, subject, sequence, position, after, type, "time", state,
  sha256(state) AS digest, TRY_CAST(TRY(decode(state)) AS JSON) AS event
FROM read_parquet($files, filename = true)
"""
_NOTHING = """
CREATE VIEW record AS SELECT * FROM (SELECT '' AS cohort, 0 AS partition, 0 AS life, 0 AS "offset",
  '' AS source, '' AS subject, 0 AS sequence, '' AS position, '' AS after, '' AS type,
  now() AS "time", ''::BLOB AS state, '' AS digest, '{}'::JSON AS event) WHERE false
"""


def ask(
    files: Sequence[Path], sql: str, *, seconds_max: float = SECONDS_MAX, memory_mb: int = MEMORY_MB
) -> Answered:
    """Answers one question over these files; raises NotAQuestion, TooMuchAsked."""
    with duckdb.connect(":memory:") as conn:
        _shut_in(conn, files, memory_mb)
        _only_reads(conn, sql)
        timer = threading.Timer(seconds_max, conn.interrupt)
        timer.start()
        try:
            cursor = conn.execute(sql)
            rows = cursor.fetchmany(ROWS_MAX + 1)
            columns = [name for name, *_ in cursor.description or ()]
        except duckdb.InterruptException as error:
            raise TooMuchAsked from error
        except duckdb.OutOfMemoryException as error:
            raise TooMuchAsked from error
        except duckdb.Error as error:
            raise NotAQuestion(f"{_first_line(error)}.") from error
        finally:
            timer.cancel()
    if len(rows) > ROWS_MAX:
        raise TooMuchAsked(f"There are more than {ROWS_MAX} rows; ask for fewer.")
    return Answered(columns, rows)


def _shut_in(conn: duckdb.DuckDBPyConnection, files: Sequence[Path], memory_mb: int) -> None:
    """Nothing but these files can be read, and nothing of this can be changed any more."""
    paths = [str(one.resolve()) for one in files]
    conn.execute("SET TimeZone = 'UTC'")
    conn.execute(f"SET memory_limit = '{memory_mb}MB'")
    conn.execute("SET max_temp_directory_size = '0B'")
    conn.execute("SET autoinstall_known_extensions = false")
    conn.execute("SET autoload_known_extensions = false")
    conn.execute("SET allowed_paths = $paths", {"paths": paths})
    conn.execute("SET enable_external_access = false")
    if paths:
        listed = ", ".join("'" + one.replace("'", "''") + "'" for one in paths)
        conn.execute(_VIEW.replace("$files", f"[{listed}]"))
    else:
        conn.execute(_NOTHING)
    conn.execute("SET lock_configuration = true")


def _only_reads(conn: duckdb.DuckDBPyConnection, sql: str) -> None:
    """One SELECT: a COPY could write over the very files that may be read."""
    if len(sql) > SQL_CHARACTERS_MAX:
        raise NotAQuestion(f"A question has at most {SQL_CHARACTERS_MAX} characters.")
    try:
        statements = conn.extract_statements(sql)
    except duckdb.Error as error:
        raise NotAQuestion(f"{_first_line(error)}.") from error
    if [one.type for one in statements] != [duckdb.StatementType.SELECT]:
        raise NotAQuestion


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(".")
