"""The same somebody at what is no row of the archive: purged streams, months' files; at access too.

Plain SQL, JSON, SHA-256, Ed25519 and Parquet as `pyarrow` has it: no code of what seals, purges,
files or verifies.
"""

import base64
import json
import random
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4, uuid5

import pyarrow as pa
import pyarrow.parquet as pq
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.integration.audit.tampering import (
    PLACE,
    REACH,
    Act,
    Conn,
    Event,
    Name,
    cover_up,
    cut,
    drop,
    flip_a_byte,
    flip_a_byte_and_hide,
    flipped,
    head_again,
    only,
    positions_again,
    rechain,
    remove,
    run_again,
    set_the_clock_back,
    stream,
    swap_bytes,
)
from tests.integration.audit.tampering_inserted import insert

PARTITIONS = 12
AUDIT = "/bihuan/audit"
ACCESS = "person.accessed.v1"
STREAMS = UUID("8f6b0c5e-2f0e-5a34-9f0e-6d1a3a5f7c21")


def fit(conn: Conn) -> None:
    """Everything that follows from the records made to fit, audit's own tree thrown away."""
    for partition in range(PARTITIONS):
        positions_again(conn, partition)
        run_again(conn, partition)
    for table in ("tile", "span", "sealed", "fault"):
        conn.execute(f"DELETE FROM {table}")


# -- what was purged ------------------------------------------------------------------------------


def purged_names(conn: Conn) -> set[Name]:
    """Every place that is left of what went."""
    return set(conn.execute("SELECT source, subject, sequence FROM purged_record").fetchall())


def purged_stream(conn: Conn, dice: random.Random) -> list[tuple[Any, ...]]:
    """The places of any stream that went: name, then partition, life and offset."""
    streams = conn.execute(
        "SELECT DISTINCT source, subject FROM purged_record ORDER BY subject, source"
    ).fetchall()
    return conn.execute(
        "SELECT source, subject, sequence, partition, life, record_offset FROM purged_record "
        "WHERE source = %s AND subject = %s ORDER BY sequence",
        dice.choice(streams),
    ).fetchall()


def forget_a_place(*, hide: bool) -> Act:
    def act(conn: Conn, dice: random.Random) -> set[Name]:
        row = dice.choice(purged_stream(conn, dice))
        conn.execute(f"DELETE FROM purged_record WHERE {PLACE}", row[3:])
        if hide:
            fit(conn)
        return {row[:3]}

    return act


def another_digest(*, hide: bool) -> Act:
    def act(conn: Conn, dice: random.Random) -> set[Name]:
        row = dice.choice(purged_stream(conn, dice))
        conn.execute(
            f"UPDATE purged_record SET digest = %s WHERE {PLACE}", (dice.randbytes(32), *row[3:])
        )
        if hide:
            fit(conn)
        return {row[:3]}

    return act


def another_tombstone(conn: Conn, dice: random.Random) -> set[Name]:
    """A stream that went is said to have gone by a purge that never was."""
    rows = purged_stream(conn, dice)
    conn.execute(
        "UPDATE purged_record SET tombstone = %s WHERE source = %s AND subject = %s",
        (uuid4(), *rows[0][:2]),
    )
    return {row[:3] for row in rows}


def put_back_otherwise(conn: Conn, dice: random.Random) -> set[Name]:
    """A purged event stands there again, and says something else."""
    row = dice.choice(purged_stream(conn, dice))
    like = stream(conn, dice)[0]
    state = like.state.replace(b'"actor":"agent:x"', b'"actor":"agent:z"', 1)
    conn.execute(
        "INSERT INTO archive (cohort, life, partition, record_offset, source, subject, sequence, "
        "position, after, type, time, previous, digest, state) SELECT a.cohort, p.life, "
        "p.partition, p.record_offset, p.source, p.subject, p.sequence, p.position, p.after, "
        "a.type, a.time, a.previous, %s, %s FROM purged_record p, archive a "
        "WHERE p.partition = %s AND p.life = %s AND p.record_offset = %s "
        "AND a.partition = %s AND a.life = %s AND a.record_offset = %s",
        (sha256(state).digest(), state, *row[3:], *like.place),
    )
    conn.execute(f"DELETE FROM purged_record WHERE {PLACE}", row[3:])
    fit(conn)
    return {row[:3]}


def take_away(conn: Conn, events: Sequence[Event], tombstone: Any) -> None:
    """A stream's bytes go, and its places are said to be those of something purged."""
    source, subject = events[0].source, events[0].subject
    conn.execute(
        "INSERT INTO purged_record SELECT partition, life, record_offset, source, subject, "
        "sequence, position, after, digest, %s FROM archive WHERE source = %s AND subject = %s",
        (tombstone, source, subject),
    )
    conn.execute("DELETE FROM archive WHERE source = %s AND subject = %s", (source, subject))
    conn.execute("DELETE FROM head WHERE source = %s AND subject = %s", (source, subject))


def tombstone_row(conn: Conn) -> tuple[Any, int, dict[str, Any]]:
    row = conn.execute(
        "SELECT originator_id, originator_version, state FROM stored_events "
        "WHERE topic = 'cohort.purged.v1'"
    ).fetchone()
    assert row is not None
    return row[0], row[1], json.loads(bytes(row[2]))


def called_purged(*, hide: bool) -> Act:
    """A stream that nobody let go is said to have gone with what did."""

    def act(conn: Conn, dice: random.Random) -> set[Name]:
        events = stream(conn, dice)
        take_away(conn, events, tombstone_row(conn)[2]["id"])
        if hide:
            fit(conn)
        return {events[-1].name}

    return act


def written(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed_by(key: Ed25519PrivateKey, data: dict[str, Any]) -> dict[str, Any]:
    """The body of a tombstone with a signature that fits, by what docs/auditors.md says."""
    lines = ["bihuan cohort purged", data["cohort"], f"{data['part']}/{data['parts']}"]
    lines += [data["ground"], str(data["count"]), data["proposed_by"], data["by"]]
    for head in sorted(data["heads"], key=lambda one: (one["source"], one["subject"])):
        lines.append(f"{head['source']}\t{head['subject']}\t{head['sequence']}\t{head['digest']}")
    text = "".join(f"{line}\n" for line in lines).encode()
    public = written(key.public_key().public_bytes_raw())
    return {**data, "key": public, "signature": written(key.sign(text))}


def own_tombstone(conn: Conn, dice: random.Random, key: Ed25519PrivateKey, *, logged: bool) -> Any:
    """A purge of some stream, signed with this key; `logged`: it stands in the archive as well."""
    events = stream(conn, dice)
    stands, version, event = tombstone_row(conn)
    event["id"] = str(uuid5(STREAMS, f"{event['subject']}{version + 1}"))
    event["previous"] = sha256(json_of(tombstone_row(conn)[2])).hexdigest()
    event["sequence"] = str(version + 1)
    head = {
        "source": events[0].source,
        "subject": events[0].subject,
        "sequence": events[-1].sequence,
        "digest": sha256(events[-1].state).hexdigest(),
    }
    event["data"] = signed_by(key, {**event["data"], "heads": [head], "count": events[-1].sequence})
    state = json_of(event)
    conn.execute(
        "INSERT INTO stored_events (originator_id, originator_version, topic, state) "
        "VALUES (%s, %s, 'cohort.purged.v1', %s)",
        (stands, version + 1, state),
    )
    name = (AUDIT, event["subject"], version + 1)
    if logged:
        place = conn.execute(
            "SELECT partition, life FROM archive WHERE source = %s AND subject = %s", name[:2]
        ).fetchone()
        assert place is not None
        conn.execute(
            "INSERT INTO archive (cohort, life, partition, record_offset, source, subject, "
            "sequence, position, after, type, time, previous, digest, state) SELECT cohort, life, "
            "partition, (SELECT max(record_offset) + 1 FROM archive WHERE partition = %s "
            "AND life = %s), source, subject, %s, '1-999', after, type, time, digest, %s, %s "
            "FROM archive WHERE source = %s AND subject = %s AND sequence = %s",
            (*place, version + 1, sha256(state).digest(), state, *name[:2], version),
        )
        head_again(conn, *name[:2])
    take_away(conn, events, event["id"])
    fit(conn)
    places = {one.name for one in events}
    return places | {name} if logged else places


def json_of(event: dict[str, Any]) -> bytes:
    return json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode()


def by_a_key_of_his_own(conn: Conn, dice: random.Random) -> set[Name]:
    found: set[Name] = own_tombstone(conn, dice, Ed25519PrivateKey.generate(), logged=True)
    return found


def with_the_stolen_key(key: Ed25519PrivateKey) -> Act:
    """On audit's own record, and in no log: who has the key has not the log."""

    def act(conn: Conn, dice: random.Random) -> set[Name]:
        found: set[Name] = own_tombstone(conn, dice, key, logged=False)
        return found

    return act


def alter_the_tombstone(conn: Conn, dice: random.Random) -> set[Name]:
    key, version, event = tombstone_row(conn)
    field = dice.choice(("by", "ground", "proposed_by"))
    event["data"][field] += "x"
    state = json_of(event)
    conn.execute(
        "UPDATE stored_events SET state = %s WHERE originator_id = %s AND originator_version = %s",
        (state, key, version),
    )
    conn.execute(
        "UPDATE archive SET state = %s, digest = %s WHERE source = %s AND subject = %s "
        "AND sequence = %s",
        (state, sha256(state).digest(), AUDIT, event["subject"], version),
    )
    head_again(conn, AUDIT, event["subject"])
    fit(conn)
    return {(AUDIT, event["subject"], version), *purged_names(conn)}


def drop_the_tombstone(conn: Conn, dice: random.Random) -> set[Name]:
    key, version, event = tombstone_row(conn)
    conn.execute(
        "DELETE FROM stored_events WHERE originator_id = %s AND originator_version = %s",
        (key, version),
    )
    conn.execute(
        "DELETE FROM archive WHERE source = %s AND subject = %s AND sequence = %s",
        (AUDIT, event["subject"], version),
    )
    head_again(conn, AUDIT, event["subject"])
    fit(conn)
    return {(AUDIT, event["subject"], version), *purged_names(conn)}


# -- what lies in a file --------------------------------------------------------------------------

Change = Callable[[list[Any], random.Random], set[Name]]


def the_file() -> Path:
    (path,) = REACH.folder.glob("*/*.parquet")
    return path


def all_of(path: Path) -> set[Name]:
    rows = pq.read_table(path, columns=["source", "subject", "sequence"]).to_pydict()
    return set(zip(rows["source"], rows["subject"], rows["sequence"], strict=True))


def broken(change: Callable[[Path, random.Random], None]) -> Act:
    """Nothing in the file counts any more: it is named, and all that it held."""

    def act(conn: Conn, dice: random.Random) -> set[Name]:
        path = the_file()
        harmed = all_of(path)
        change(path, dice)
        REACH.forget()
        return {("", path.parent.name, None), *harmed}  # type: ignore[arg-type] # no event

    return act


def flip_in_the_file(path: Path, dice: random.Random) -> None:
    whole = path.read_bytes()
    path.write_bytes(flipped(whole, dice.randrange(len(whole))))


def cut_the_file(path: Path, dice: random.Random) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[: dice.randrange(len(whole))])


def remove_the_file(path: Path, dice: random.Random) -> None:
    path.unlink()


def written_anew(change: Change, *, fitted: bool) -> Act:
    """Another sound file in its place, named by its own digest; `fitted`: the database knows it."""

    def act(conn: Conn, dice: random.Random) -> set[Name]:
        path = the_file()
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            groups = [file.read_row_group(number) for number in range(file.num_row_groups)]
        harmed = change(groups, dice)
        other = path.with_name("new")
        with pq.ParquetWriter(other, schema, compression="zstd") as writer:
            for group in groups:
                if group.num_rows:
                    writer.write_table(group)
        digest = sha256(other.read_bytes()).hexdigest()
        path.unlink()
        other.rename(path.with_name(f"{digest}.parquet"))
        REACH.forget()
        events = sum(group.num_rows for group in groups)
        conn.execute(
            "UPDATE archived_cohort SET file = %s, key = %s, events = %s",
            (digest, f"{path.parent.name}/{digest}.parquet", events),
        )
        for source, subject in {one[:2] for one in harmed}:
            heads_from(conn, groups, source, subject)
        if fitted:
            fit(conn)
        return harmed

    return act


def heads_from(conn: Conn, groups: Sequence[Any], source: str, subject: str) -> None:
    """Where a filed stream ends, as the file has it now."""
    last: tuple[int, bytes] | None = None
    for group in groups:
        for one in group.to_pylist():
            if (one["source"], one["subject"]) == (source, subject) and (
                last is None or one["sequence"] > last[0]
            ):
                last = (one["sequence"], sha256(one["state"]).digest())
    if last is None:
        conn.execute("DELETE FROM head WHERE source = %s AND subject = %s", (source, subject))
        return
    conn.execute(
        "UPDATE head SET sequence = %s, digest = %s WHERE source = %s AND subject = %s",
        (*last, source, subject),
    )


def pick(groups: list[Any], dice: random.Random) -> tuple[int, list[dict[str, Any]], int]:
    """A group, its rows, and which of them."""
    number = dice.randrange(len(groups))
    rows = groups[number].to_pylist()
    return number, rows, dice.randrange(len(rows))


def named(row: dict[str, Any]) -> Name:
    return row["source"], row["subject"], row["sequence"]


def put(groups: list[Any], number: int, rows: list[dict[str, Any]]) -> None:
    groups[number] = pa.Table.from_pylist(rows, schema=groups[number].schema)


def say_otherwise(groups: list[Any], dice: random.Random) -> set[Name]:
    number, rows, at = pick(groups, dice)
    rows[at]["state"] = rows[at]["state"].replace(b'"actor":"agent:x"', b'"actor":"agent:y"', 1)
    put(groups, number, rows)
    return {named(rows[at])}


def leave_out(groups: list[Any], dice: random.Random) -> set[Name]:
    number, rows, at = pick(groups, dice)
    gone = rows.pop(at)
    put(groups, number, rows)
    return {named(gone)}


def exchange(groups: list[Any], dice: random.Random) -> set[Name]:
    """Two records of a partition, bytes and name, each in the other's place."""
    number, rows, at = pick(groups, dice)
    other = (at + 1 + dice.randrange(len(rows) - 1)) % len(rows)
    for column in ("source", "subject", "sequence", "type", "time", "state"):
        rows[at][column], rows[other][column] = rows[other][column], rows[at][column]
    put(groups, number, rows)
    return {named(rows[at]), named(rows[other])}


# -- access ---------------------------------------------------------------------------------------


def about_access(act: Act) -> Act:
    """The same done to what says who opened whose data."""

    def wrapped(conn: Conn, dice: random.Random) -> set[Name]:
        with only(ACCESS):
            return act(conn, dice)

    return wrapped


def swap_two_readings(conn: Conn, dice: random.Random) -> set[Name]:
    with only(ACCESS):
        return swap_bytes(conn, dice)


def hide_an_access(conn: Conn, dice: random.Random) -> set[Name]:
    """Who opened it is somebody else, and everything is made to fit."""
    with only(ACCESS):
        events = stream(conn, dice)
    event = events[-1]
    state = event.state.replace(b'"actor":"agent:x"', b'"actor":"agent:y"', 1)
    conn.execute(
        f"UPDATE archive SET state = %s, digest = %s WHERE {PLACE}",
        (state, sha256(state).digest(), *event.place),
    )
    cover_up(conn, [event])
    return {event.name}


def acts(purge_key: Ed25519PrivateKey) -> dict[str, Act]:
    """Every kind, by name."""
    return {
        "purged: a place forgotten": forget_a_place(hide=False),
        "purged: a place forgotten, and hidden": forget_a_place(hide=True),
        "purged: another digest": another_digest(hide=False),
        "purged: another digest, and hidden": another_digest(hide=True),
        "purged: another tombstone": another_tombstone,
        "purged: put back otherwise": put_back_otherwise,
        "purged: called so": called_purged(hide=False),
        "purged: called so, and hidden": called_purged(hide=True),
        "a tombstone of his own key": by_a_key_of_his_own,
        "a tombstone by the stolen key, in no log": with_the_stolen_key(purge_key),
        "a tombstone altered": alter_the_tombstone,
        "a tombstone dropped": drop_the_tombstone,
        "filed: a byte flipped": broken(flip_in_the_file),
        "filed: cut": broken(cut_the_file),
        "filed: removed": broken(remove_the_file),
        "filed: one says something else": written_anew(say_otherwise, fitted=True),
        "filed: one left out": written_anew(leave_out, fitted=True),
        "filed: two exchanged": written_anew(exchange, fitted=True),
        "access: a byte flipped": about_access(flip_a_byte),
        "access: a byte flipped, and hidden": about_access(flip_a_byte_and_hide),
        "access: removed, and hidden": about_access(remove("middle", hide=True)),
        "access: the last removed, and hidden": about_access(remove("tail", hide=True)),
        "access: somebody else": hide_an_access,
        "access: swapped, their bytes": swap_two_readings,
        "access: inserted, and hidden": about_access(insert("end", hide=True)),
        "access: chained anew": about_access(rechain),
        "access: cut, and hidden": about_access(cut(hide=True)),
        "access: dropped whole, and hidden": about_access(drop(hide=True)),
        "access: the clock set back": about_access(set_the_clock_back),
    }
