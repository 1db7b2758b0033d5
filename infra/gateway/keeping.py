"""What the gateway was given, as it was given: sealed, each notice once, in one SQLite file."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from uuid import UUID

from pydantic import ValidationError

from contracts.messages import OutboundNotice

_TABLES = """
CREATE TABLE IF NOT EXISTS notice (
  id TEXT PRIMARY KEY, notice TEXT NOT NULL, complaint TEXT NOT NULL, kind TEXT NOT NULL,
  sent_by TEXT NOT NULL, not_before TEXT NOT NULL, topic TEXT NOT NULL, partition INT NOT NULL,
  record_offset INT NOT NULL, value BLOB NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS notice_notice ON notice (notice);
CREATE INDEX IF NOT EXISTS notice_complaint ON notice (complaint);
CREATE TABLE IF NOT EXISTS unreadable (
  topic TEXT NOT NULL, partition INT NOT NULL, record_offset INT NOT NULL, value BLOB,
  problem TEXT NOT NULL, PRIMARY KEY (topic, partition, record_offset));
CREATE TABLE IF NOT EXISTS repeated (id TEXT PRIMARY KEY, times INT NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Record:
    """A record of `complaints.outbound` and where it lay."""

    topic: str
    partition: int
    offset: int
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Kept:
    """A notice as it came; its text is still sealed."""

    message: OutboundNotice
    value: bytes

    @property
    def sealed(self) -> list[str]:
        """The tokens of its text, in order."""
        return [part.sealed for part in self.message.data.text if hasattr(part, "sealed")]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record that is no notice, kept so that nothing is passed over in silence."""

    topic: str
    partition: int
    offset: int
    problem: str


class KeptNotices:
    """The file of one gateway; safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = Lock()
        self._file = sqlite3.connect(folder / "notices.sqlite", check_same_thread=False)
        self._file.execute("PRAGMA journal_mode = WAL")
        self._file.executescript(_TABLES)

    def keep(self, records: Sequence[Record]) -> int:
        """Keeps what is new and drops a repeated `id`; returns how many were new.

        One transaction: it is all on disk before the caller commits its offsets.
        """
        new = 0
        with self._writing() as file:
            for record in records:
                new += _keep(file, record)
        return new

    def notices(
        self, complaint: UUID | None = None, *, may_leave_by: datetime | None = None
    ) -> list[Kept]:
        """Everything kept, in the order it came, of one complaint or of all.

        `may_leave_by` leaves out what still waits for its `not_before` at that instant.
        """
        sql, values = "SELECT value FROM notice", list[str]()
        wheres = []
        if complaint is not None:
            wheres.append("complaint = ?")
            values.append(str(complaint))
        if may_leave_by is not None:
            wheres.append("not_before <= ?")
            values.append(_text(may_leave_by))
        if wheres:
            sql += " WHERE " + " AND ".join(wheres)
        with self._lock:
            found = self._file.execute(sql + " ORDER BY rowid", values).fetchall()
        return [_read(value) for (value,) in found]

    def notice(self, notice: UUID) -> Kept | None:
        """One notice by its own id; None when it was not given."""
        with self._lock:
            found = self._file.execute(
                "SELECT value FROM notice WHERE notice = ?", (str(notice),)
            ).fetchone()
        return None if found is None else _read(found[0])

    def unreadable(self) -> list[Unreadable]:
        """Records that are no notices."""
        with self._lock:
            found = self._file.execute(
                "SELECT topic, partition, record_offset, problem FROM unreadable "
                "ORDER BY topic, partition, record_offset"
            ).fetchall()
        return [Unreadable(*row) for row in found]

    def repeated(self) -> int:
        """How many records came again and were dropped."""
        with self._lock:
            (times,) = self._file.execute("SELECT coalesce(sum(times), 0) FROM repeated").fetchone()
        return int(times)

    def close(self) -> None:
        """Lets go of the file."""
        self._file.close()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._file:
            yield self._file


def _keep(file: sqlite3.Connection, record: Record) -> int:
    if record.value is None:
        return _set_aside(file, record, "the record is empty")
    try:
        message = OutboundNotice.model_validate_json(record.value)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        return _set_aside(file, record, f"{where}: {first['type']}")
    told = message.data
    changed = file.execute(
        "INSERT INTO notice VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
        (
            message.id,
            str(told.notice),
            message.subject,
            told.kind.value,
            told.by.value,
            _text(told.not_before),
            record.topic,
            record.partition,
            record.offset,
            record.value,
        ),
    ).rowcount
    if not changed:
        file.execute(
            "INSERT INTO repeated VALUES (?, 1) ON CONFLICT (id) DO UPDATE SET times = times + 1",
            (message.id,),
        )
    return changed


def _set_aside(file: sqlite3.Connection, record: Record, problem: str) -> int:
    file.execute(
        "INSERT INTO unreadable VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (record.topic, record.partition, record.offset, record.value, problem),
    )
    return 0


def _read(value: bytes) -> Kept:
    return Kept(OutboundNotice.model_validate_json(value), value)


def _text(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
