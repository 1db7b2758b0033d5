"""A cohort's file gives every record back, byte for byte, and says when it is not what it was."""

from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import duckdb
import pytest

from libs.eventlog.envelope import GENESIS, Origin, encode
from services.audit.archive import read
from services.audit.cold import form
from services.audit.cold.form import CohortFile, FileBroken, Record, file_digest, summed
from services.audit.cold.store import Folder, Key
from tests.integration.audit.tellers import complaint, event

TIME = datetime(2025, 9, 20, 4, 0, 0, 123456, tzinfo=UTC)


def record(partition: int, offset: int, number: int, *, life: int = 1) -> Record:
    """An event of a complaint, as it is archived."""
    source, kind = "/bihuan/intake", "complaint.verified.v1"
    state, _ = encode(
        event(kind),
        source=source,
        subject=complaint(number),
        sequence=1,
        previous=GENESIS,
        time=TIME,
        origin=Origin("key:1", "agent:x"),
    )
    seen = read(state)
    assert seen is not None
    place, ends = (partition, life, offset), (sha256(state).digest(), state)
    position, after = f"1-{offset + 1}", f"1-{offset}"
    return Record(
        *place, source, complaint(number), 1, position, after, kind, TIME, seen.previous, *ends
    )


def unreadable(partition: int, offset: int) -> Record:
    """Bytes that are no event of ours: kept like any other."""
    state = b'\xff\x00{"no":\n"event"}'
    place, ends = (partition, 1, offset), (sha256(state).digest(), state)
    label = f"sha256:{'0' * 64}"
    return Record(*place, "/foreign", label, None, "9-9", "9-8", "x", None, None, *ends)


RECORDS = [record(0, 3, 1), record(0, 4, 2), unreadable(0, 9), record(2, 0, 3), record(2, 1, 1)]


def written(path: Path, records: Sequence[Record] = RECORDS) -> Path:
    form.write(path, "2025-09", records)
    return path


def test_every_record_comes_back_as_it_was(tmp_path: Path) -> None:
    file = CohortFile(written(tmp_path / "a.parquet"))
    assert list(file.records()) == RECORDS
    assert file.cohort == "2025-09"
    assert file.partitions == [0, 2]
    assert list(file.records(0, (1, 3))) == RECORDS[1:3]
    assert file.of([complaint(1)]) == [RECORDS[0], RECORDS[4]]
    assert list(file.places(0, (1, 3), (1, 8))) == [(1, 4)]
    assert [one.offset for one in file.between(TIME, TIME.replace(hour=5))] == [3, 4, 0, 1]


def test_the_same_records_give_the_same_bytes(tmp_path: Path) -> None:
    one, two = written(tmp_path / "a.parquet"), written(tmp_path / "b.parquet")
    assert file_digest(one) == file_digest(two)
    other = written(tmp_path / "c.parquet", RECORDS[:-1])
    assert file_digest(other) != file_digest(one)


def test_a_summary_tells_any_two_files_apart(tmp_path: Path) -> None:
    """Place, labels and bytes of each record stand in it, so equal summaries mean equal records."""
    whole = summed(CohortFile(written(tmp_path / "a.parquet")))
    assert (whole.events, whole.streams) == (5, 4)
    assert {one: run.last for one, run in whole.runs.items()} == {0: (1, 9), 2: (1, 1)}
    changes = (
        {"offset": 5},
        {"life": 2},
        {"position": "1-99"},
        {"after": "1-0"},
        {"source": "/bihuan/routing"},
        {"subject": complaint(9)},
        {"type": "complaint.closed.v1"},
    )
    for number, change in enumerate(changes):
        changed = [*RECORDS[:-1], RECORDS[-1]._replace(**change)]
        path = written(tmp_path / f"{number}.parquet", changed)
        assert summed(CohortFile(path)).runs[2].digest != whole.runs[2].digest, change


def test_a_record_that_is_not_what_was_accepted_never_goes_into_a_file(tmp_path: Path) -> None:
    good = RECORDS[0]
    wrong = good._replace(state=good.state.replace(b"agent:x", b"agent:y"))
    with pytest.raises(FileBroken, match=r"partition 0, offset 3: its bytes are not those accept"):
        written(tmp_path / "a.parquet", [wrong])
    moved = good._replace(sequence=2)
    with pytest.raises(FileBroken, match="not what its bytes say; run verify"):
        written(tmp_path / "b.parquet", [moved])
    with pytest.raises(FileBroken, match="does not lie behind"):
        written(tmp_path / "c.parquet", [RECORDS[1], RECORDS[0]])


def test_a_flipped_byte_is_found_wherever_it_is(tmp_path: Path) -> None:
    """Whatever else would still read, the digest in the name does not fit."""
    path = written(tmp_path / "a.parquet")
    content, digest = path.read_bytes(), file_digest(path)
    store = Folder(tmp_path / "store")
    key = Key("2025-09", digest)
    store.put(key, path)
    kept = tmp_path / "store" / str(key)
    for at in range(0, len(content), 499):
        changed = bytearray(content)
        changed[at] ^= 1
        kept.write_bytes(changed)
        with pytest.raises(FileBroken, match="does not have the bytes"):
            store.proven(key)
    store.put(key, path)  # put again, it is whole again
    assert store.proven(key) == kept


def test_an_auditor_reads_it_with_nothing_of_ours(tmp_path: Path) -> None:
    path = written(tmp_path / "a.parquet")
    rows = duckdb.execute(
        "SELECT \"offset\", sha256(state), decode(state)::json->>'type' FROM read_parquet(?) "
        "WHERE source = '/bihuan/intake' ORDER BY partition, \"offset\"",
        [str(path)],
    ).fetchall()
    assert rows == [
        (one.offset, one.digest.hex(), "complaint.verified.v1")
        for one in RECORDS
        if one.time is not None
    ]


def test_groups_keep_partitions_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(form, "ROWS_A_GROUP", 2)
    many = [record(partition, at, at) for partition in (1, 4) for at in range(5)]
    file = CohortFile(written(tmp_path / "a.parquet", many))
    assert file.groups == 6
    assert list(file.records()) == many
    assert list(file.records(4, (1, 1))) == many[7:]
    lives = [replace_life(one) for one in many]
    file = CohortFile(written(tmp_path / "b.parquet", lives))
    assert list(file.records(1, (1, 2))) == lives[3:5]


def replace_life(one: Record) -> Record:
    """From offset 3 on, the log was made anew: offsets begin again."""
    return one._replace(life=2, offset=one.offset - 3) if one.offset >= 3 else one
