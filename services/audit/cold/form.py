"""A cohort as a file: Parquet with zstd, a row a record, in the order they were accepted.

Every byte of an event stands in `state`; beside it stands its place in the log and what headers and
key said. What follows from the bytes (digest, digest of the one before) is not written again. The
same records give the same bytes, for one version of the library that writes them.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from services.audit.archive import read
from services.audit.domain.chain import GENESIS

FORM = "1"
"""Of the columns below; told in each file."""

ROWS_A_GROUP = 5_000
"""Small, for a complaint's records are found by reading the groups that they lie in."""
LEVEL = 9
"""Of zstd: 5 % smaller than level 3 and still 10,000 events a second (docs/benchmarks.md)."""

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MICROSECOND = dt.timedelta(microseconds=1)

Place = tuple[int, int]
"""(life, offset) of a record in its partition."""

SCHEMA: Any = pa.schema(
    [
        pa.field("partition", pa.int32(), nullable=False),
        pa.field("life", pa.int32(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("subject", pa.string(), nullable=False),
        pa.field("sequence", pa.int64()),
        pa.field("position", pa.string(), nullable=False),
        pa.field("after", pa.string(), nullable=False),
        pa.field("type", pa.string(), nullable=False),
        pa.field("time", pa.timestamp("us", tz="UTC")),
        pa.field("state", pa.binary(), nullable=False),
    ]
)
_DICTIONARIES = ["partition", "life", "source", "subject", "type"]


class Record(NamedTuple):
    """One archived record, wherever it lies; see the table `archive`."""

    partition: int
    life: int
    offset: int
    source: str
    subject: str
    sequence: int | None
    position: str
    after: str
    type: str
    time: dt.datetime | None
    previous: bytes | None
    digest: bytes
    state: bytes

    @property
    def place(self) -> Place:
        """Where it lies in its partition."""
        return self.life, self.offset


class FileBroken(RuntimeError):
    """A cohort's file is not what it must be; its text names file and place, never content."""


# -- what a file holds, summed up -----------------------------------------------------------------


@dataclass(slots=True)
class Run:
    """One partition's records in a file: how many, where they end, and their running digest.

    The digest goes over every field of each record, so two files with equal runs hold the same.
    """

    records: int = 0
    last: Place = (0, -1)
    digest: bytes = GENESIS

    def add(self, record: Record) -> None:
        """One more; raises FileBroken when it does not lie behind the one before."""
        if record.place <= self.last:
            raise FileBroken(
                f"partition {record.partition}: offset {record.offset} does not lie behind "
                f"{self.last[1]}"
            )
        self.records += 1
        self.last = record.place
        self.digest = sha256(self.digest + _whole(record)).digest()


@dataclass(slots=True)
class Summary:
    """What a cohort's file holds."""

    events: int = 0
    runs: dict[int, Run] = field(default_factory=dict)
    _streams: set[int] = field(default_factory=set)

    @property
    def streams(self) -> int:
        """How many (source, subject) there are."""
        return len(self._streams)

    def add(self, record: Record) -> None:
        """One more record, in order; raises FileBroken."""
        self.events += 1
        self._streams.add(hash((record.source, record.subject)))
        self.runs.setdefault(record.partition, Run()).add(record)


def _whole(record: Record) -> bytes:
    time = "" if record.time is None else str((record.time - EPOCH) // MICROSECOND)
    fields = (
        *(record.partition, record.life, record.offset, record.source, record.subject),
        *(record.sequence or "", record.position, record.after, record.type, time),
    )
    return "\n".join(map(str, fields)).encode("utf-8", "surrogatepass") + record.digest


# -- writing --------------------------------------------------------------------------------------


def write(path: Path, cohort: str, records: Iterable[Record]) -> Summary:
    """Writes records, ordered by partition and place, into a new file; it is not synced yet.

    Raises FileBroken where a record's columns do not say what its bytes say: such a one is for
    `verify`, and must be looked at before it goes anywhere.
    """
    summary = Summary()
    schema = SCHEMA.with_metadata({"bihuan.form": FORM, "bihuan.cohort": cohort})
    with pq.ParquetWriter(
        path,
        schema,
        compression="zstd",
        compression_level=LEVEL,
        use_dictionary=_DICTIONARIES,
        write_page_checksum=True,
    ) as writer:
        for group in _groups(records):
            for record in group:
                _fits(record)
                summary.add(record)
            writer.write_table(_table(group, schema), row_group_size=ROWS_A_GROUP)
    return summary


def _groups(records: Iterable[Record]) -> Iterator[list[Record]]:
    """At most so many rows, and of one partition only: so one is found without reading others."""
    group: list[Record] = []
    for record in records:
        if group and (len(group) == ROWS_A_GROUP or record.partition != group[0].partition):
            yield group
            group = []
        group.append(record)
    if group:
        yield group


def _fits(record: Record) -> None:
    seen = read(record.state)
    said = (None, None, None) if seen is None else (seen.sequence, seen.time, seen.previous)
    if said != (record.sequence, record.time, record.previous):
        problem = "what is filed beside it is not what its bytes say"
    elif sha256(record.state).digest() != record.digest:
        problem = "its bytes are not those accepted"
    else:
        return
    raise FileBroken(f"partition {record.partition}, offset {record.offset}: {problem}; run verify")


def _table(group: Sequence[Record], schema: Any) -> Any:
    columns: dict[str, Any] = {
        name: [getattr(record, name) for record in group] for name in SCHEMA.names
    }
    return pa.table(columns, schema=schema)


# -- reading --------------------------------------------------------------------------------------


class CohortFile:
    """A cohort's file, opened; only its footer is in memory. Raises FileBroken.

    Not for several threads at once.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = pq.ParquetFile(path, page_checksum_verification=True)
        except (pa.ArrowException, OSError) as error:
            raise FileBroken(f"{path.name} cannot be read: {type(error).__name__}") from error
        told = self._file.schema_arrow.metadata or {}
        if told.get(b"bihuan.form") != FORM.encode():
            self.close()
            raise FileBroken(f"{path.name} is not a cohort's file of form {FORM}")
        self.cohort = told.get(b"bihuan.cohort", b"").decode("ascii", "replace")
        self._spans = [_span(self._file.metadata.row_group(at)) for at in range(self.groups)]

    @property
    def groups(self) -> int:
        """How many row groups it has."""
        return int(self._file.metadata.num_row_groups)

    @property
    def partitions(self) -> Sequence[int]:
        """Those it has records of, ascending."""
        return sorted({partition for partition, _ in self._spans})

    def close(self) -> None:
        """Lets go of the file."""
        self._file.close()

    def records(self, partition: int | None = None, after: Place = (0, -1)) -> Iterator[Record]:
        """Its records in order, of one partition or of all; those behind a place."""
        for at, (here, last) in enumerate(self._spans):
            if partition not in (None, here) or last <= after:
                continue
            for record in _rows(self._read(at)):
                if record.place > after:
                    yield record

    def places(self, partition: int, after: Place, upto: Place) -> Iterator[Place]:
        """Where its records of a partition lie, in (after, upto]; no event is read."""
        for at, (here, last) in enumerate(self._spans):
            if here != partition or last <= after:
                continue
            found = self._read(at, ("life", "offset"))
            for place in zip(
                found.column("life").to_pylist(), found.column("offset").to_pylist(), strict=True
            ):
                if place > upto:
                    return
                if place > after:
                    yield place

    def of(self, subjects: Iterable[str]) -> list[Record]:
        """Every record of these subjects, in order; only groups that hold some are read whole."""
        wanted = pa.array(sorted(set(subjects)), pa.string())
        found: list[Record] = []
        for at in range(self.groups):
            mask = pc.is_in(self._read(at, ("subject",)).column(0), value_set=wanted)
            if pc.any(mask).as_py():
                found += _rows(self._read(at).filter(mask))
        return found

    def between(self, since: dt.datetime, until: dt.datetime) -> Iterator[Record]:
        """Records made in [since, until), in order."""
        for at in range(self.groups):
            times = self._file.metadata.row_group(at).column(SCHEMA.names.index("time")).statistics
            known = times is not None and times.has_min_max
            if known and (times.max < since or times.min >= until):
                continue
            for record in _rows(self._read(at)):
                if record.time is not None and since <= record.time < until:
                    yield record

    def _read(self, at: int, columns: Sequence[str] | None = None) -> Any:
        try:
            return self._file.read_row_group(at, columns=columns)
        except (pa.ArrowException, OSError) as error:
            raise FileBroken(
                f"{self.path.name}: row group {at} cannot be read: {type(error).__name__}"
            ) from error


def summed(file: CohortFile) -> Summary:
    """What a file really holds, every record read; raises FileBroken."""
    summary = Summary()
    for record in file.records():
        summary.add(record)
    return summary


def _span(group: Any) -> tuple[int, Place]:
    """The partition of a row group, and the place of its last record."""
    partition, life, offset = (group.column(at).statistics for at in range(3))
    if partition.min != partition.max:
        raise FileBroken("a row group holds records of several partitions")
    # Of several lives the last offset is not known: such a group is read whenever in doubt.
    last = offset.max if life.min == life.max else 2**63 - 1
    return partition.min, (life.max, last)


def _rows(table: Any) -> Iterator[Record]:
    columns = {name: table.column(name).to_pylist() for name in SCHEMA.names if name != "time"}
    columns["time"] = table.column("time").cast(pa.int64()).to_pylist()
    for values in zip(*(columns[name] for name in SCHEMA.names), strict=True):
        *before, time, state = values
        seen = read(state)
        yield Record._make(
            (
                *before,
                None if time is None else EPOCH + time * MICROSECOND,
                None if seen is None else seen.previous,
                sha256(state).digest(),
                state,
            )
        )


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex; raises OSError."""
    running = sha256()
    with path.open("rb") as file:
        while block := file.read(1024 * 1024):
            running.update(block)
    return running.hexdigest()
