"""Somebody with the database's password, and as much knowledge of the log as its documents give.

Everything here is plain SQL, JSON and SHA-256; it shares no code with what seals or verifies. Each
act returns the events that it harmed, by source, subject and number.
"""

import json
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from psycopg import Connection

Conn = Connection[Any]
Stream = tuple[str, str]
Name = tuple[str, str, int]
Act = Callable[[Conn, random.Random], set[Name]]

SOURCES = ("/bihuan/intake", "/bihuan/routing", "/bihuan/sla_watch")


@dataclass
class Reach:
    """Where months' files lie, and which events alone are to be harmed."""

    folder: Path = Path()
    only: str | None = None
    """Of this type."""
    among: frozenset[Stream] | None = None
    """Of these streams."""
    never: frozenset[str] = frozenset()
    """Of any others but these complaints'."""
    at: float | None = None
    """How far into these streams, as they were begun: 0 is the first, 1 the last."""
    _read: dict[Path, list[tuple[Any, ...]]] = field(default_factory=dict)

    def filed(self, partition: int) -> list[tuple[int, int, str, str, bytes]]:
        """What the files hold of a partition: life, offset, source, position, digest."""
        found = []
        for path in sorted(self.folder.glob("*/*.parquet")):
            if path not in self._read:
                columns = ("partition", "life", "offset", "source", "position", "state")
                try:
                    rows = pq.read_table(path, columns=list(columns)).to_pydict()
                except Exception:  # noqa: BLE001 - somebody has broken it
                    rows = {name: [] for name in columns}
                read = list(zip(*(rows[name] for name in columns), strict=True))
                self._read[path] = [(*one[:5], sha256(one[5]).digest()) for one in read]
            found += [one[1:] for one in self._read[path] if one[0] == partition]
        return found

    def forget(self) -> None:
        """The files are others now."""
        self._read.clear()


REACH = Reach()


@contextmanager
def placed(among: frozenset[Stream] | None, at: float) -> Iterator[None]:
    """Nothing but this one of these streams is harmed."""
    REACH.among, REACH.at = among, at
    try:
        yield
    finally:
        REACH.among = REACH.at = None


@contextmanager
def only(kind: str) -> Iterator[None]:
    """Nothing but events of this type is harmed."""
    REACH.only = kind
    try:
        yield
    finally:
        REACH.only = None


@dataclass
class Event:
    """One row of the archive."""

    source: str
    subject: str
    sequence: int
    partition: int
    life: int
    offset: int
    state: bytes

    @property
    def name(self) -> Name:
        return (self.source, self.subject, self.sequence)

    @property
    def place(self) -> tuple[int, int, int]:
        return (self.partition, self.life, self.offset)


def stream(conn: Conn, dice: random.Random, least: int = 1) -> list[Event]:
    """Any stream of at least so many events, in order; the one where REACH says, if it does."""
    heads = conn.execute(
        "SELECT source, subject FROM head h WHERE source = ANY(%s) AND sequence >= %s "
        "AND EXISTS (SELECT FROM archive a WHERE a.subject = h.subject AND a.source = h.source "
        "AND (%s::text IS NULL OR a.type = %s)) ORDER BY subject, source",
        (list(SOURCES), least, REACH.only, REACH.only),
    ).fetchall()
    if REACH.among is not None:
        heads = [one for one in heads if one in REACH.among]
    else:
        heads = [one for one in heads if one[1] not in REACH.never]
    source, subject = dice.choice(heads)
    if REACH.at is not None:
        begun = conn.execute(
            "SELECT source, subject FROM archive WHERE sequence = 1 "
            "ORDER BY life, record_offset, partition"
        ).fetchall()
        there = set(heads)
        heads = [one for one in begun if one in there]
        source, subject = heads[round(REACH.at * (len(heads) - 1))]
    rows = conn.execute(
        "SELECT source, subject, sequence, partition, life, record_offset, state FROM archive "
        "WHERE source = %s AND subject = %s ORDER BY sequence",
        (source, subject),
    ).fetchall()
    return [Event(*row[:6], bytes(row[6])) for row in rows]


PLACE = "partition = %s AND life = %s AND record_offset = %s"


def rewrite(conn: Conn, event: Event, state: bytes, *, hide: bool) -> None:
    """Other bytes; `hide`: with the digest and the previous that fit them."""
    conn.execute(f"UPDATE archive SET state = %s WHERE {PLACE}", (state, *event.place))
    if hide:
        conn.execute(
            f"UPDATE archive SET digest = %s WHERE {PLACE}",
            (sha256(state).digest(), *event.place),
        )


def run_again(conn: Conn, partition: int) -> None:
    """The running digest of a partition made to fit what is there."""
    running, count = bytes(32), 0
    rows = conn.execute(
        "SELECT life, record_offset, digest FROM archive WHERE partition = %s "
        "UNION ALL SELECT life, record_offset, digest FROM purged_record WHERE partition = %s",
        (partition, partition),
    ).fetchall()
    away = [(life, offset, digest) for life, offset, _, _, digest in REACH.filed(partition)]
    for _, _, digest in sorted([*rows, *away]):
        running, count = sha256(running + digest).digest(), count + 1
    conn.execute(
        "UPDATE running_digest SET digest = %s, records = %s WHERE partition = %s",
        (running, count, partition),
    )


def head_again(conn: Conn, source: str, subject: str) -> None:
    """The head of a stream made to fit its last event; gone, where the stream is."""
    row = conn.execute(
        "SELECT sequence, digest, time FROM archive WHERE source = %s AND subject = %s "
        "ORDER BY sequence DESC LIMIT 1",
        (source, subject),
    ).fetchone()
    if row is None:
        conn.execute("DELETE FROM head WHERE source = %s AND subject = %s", (source, subject))
        return
    conn.execute(
        "UPDATE head SET sequence = %s, digest = %s, time = %s WHERE source = %s AND subject = %s",
        (*row, source, subject),
    )


def positions_again(conn: Conn, partition: int) -> None:
    """Each source's positions made to follow each other, and what was taken to fit the last."""
    last: dict[str, str] = {}
    rows = conn.execute(
        "SELECT life, record_offset, source, position, after, 'archive' FROM archive "
        "WHERE partition = %s UNION ALL SELECT life, record_offset, source, position, after, "
        "'purged_record' FROM purged_record WHERE partition = %s",
        (partition, partition),
    ).fetchall()
    away = [(*one[:4], None, None) for one in REACH.filed(partition)]
    for life, offset, source, position, after, table in sorted(
        [*rows, *away], key=lambda one: one[:2]
    ):
        before = last.get(source, "0-0")
        if table is not None and after != before:
            conn.execute(
                f"UPDATE {table} SET after = %s WHERE {PLACE}", (before, partition, life, offset)
            )
        last[source] = position
    for source, position in last.items():
        generation, number = position.split("-")
        conn.execute(
            "UPDATE inbox_taken SET generation = %s, id = %s WHERE source = %s AND partition = %s",
            (int(generation), int(number), source, partition),
        )


def cover_up(conn: Conn, events: Sequence[Event]) -> None:
    """Heads, running digests and positions made to fit, and audit's own tree thrown away."""
    for source, subject in {(one.source, one.subject) for one in events}:
        head_again(conn, source, subject)
    for partition in {one.partition for one in events}:
        positions_again(conn, partition)
        run_again(conn, partition)
    for table in ("tile", "span", "sealed", "fault"):
        conn.execute(f"DELETE FROM {table}")


def chain_again(conn: Conn, events: Sequence[Event]) -> set[Name]:
    """Every event made to continue the one before it, from the first that does not."""
    harmed: set[Name] = set()
    previous = None
    for event in events:
        said = json.loads(event.state)["previous"]
        if previous is not None and said != previous:
            event.state = event.state.replace(said.encode(), previous.encode(), 1)
            conn.execute(
                f"UPDATE archive SET state = %s, digest = %s, previous = %s WHERE {PLACE}",
                (
                    event.state,
                    sha256(event.state).digest(),
                    bytes.fromhex(previous),
                    *event.place,
                ),
            )
            harmed.add(event.name)
        previous = sha256(event.state).hexdigest()
    return harmed


def delete(conn: Conn, event: Event) -> None:
    assert conn.execute(f"DELETE FROM archive WHERE {PLACE}", event.place).rowcount == 1


def flipped(state: bytes, at: int) -> bytes:
    changed = bytearray(state)
    changed[at] ^= 1
    return bytes(changed)


# -- the acts -------------------------------------------------------------------------------------


def flip_a_byte(conn: Conn, dice: random.Random) -> set[Name]:
    event = dice.choice(stream(conn, dice))
    rewrite(conn, event, flipped(event.state, dice.randrange(len(event.state))), hide=False)
    return {event.name}


def flip_a_byte_and_hide(conn: Conn, dice: random.Random) -> set[Name]:
    """A byte of the body, so that the envelope still reads as it is filed."""
    events = stream(conn, dice)
    event = dice.choice(events)
    at = event.state.index(b'"data":') + 9
    rewrite(conn, event, flipped(event.state, dice.randrange(at, len(event.state))), hide=True)
    cover_up(conn, [event])
    return {event.name}


def remove(which: str, *, hide: bool) -> Act:
    def act(conn: Conn, dice: random.Random) -> set[Name]:
        events = stream(conn, dice, least=3)
        at = {"head": 0, "tail": -1, "middle": dice.randrange(1, len(events) - 1)}[which]
        gone = events[at]
        delete(conn, gone)
        if hide:
            cover_up(conn, [gone])
        return {gone.name}

    return act


def remove_and_close_the_gap(conn: Conn, dice: random.Random) -> set[Name]:
    """One goes, the later ones take its number, and everything is made to fit."""
    events = stream(conn, dice, least=3)
    at = dice.randrange(len(events) - 1)
    gone = events.pop(at)
    delete(conn, gone)
    for event in events[at:]:
        old = b'"sequence":"%d"' % event.sequence
        event.state = event.state.replace(old, b'"sequence":"%d"' % (event.sequence - 1), 1)
        event.sequence -= 1
        conn.execute(
            f"UPDATE archive SET state = %s, sequence = %s, digest = %s WHERE {PLACE}",
            (event.state, event.sequence, sha256(event.state).digest(), *event.place),
        )
    chain_again(conn, events)
    cover_up(conn, [gone])
    last = gone.sequence + len(events) - at
    return {(gone.source, gone.subject, number) for number in range(gone.sequence, last + 1)}


def swap(*, hide: bool) -> Act:
    def act(conn: Conn, dice: random.Random) -> set[Name]:
        events = stream(conn, dice, least=2)
        one, other = dice.sample(events, 2)
        for event, offset in ((one, -7), (other, one.offset)):
            conn.execute(
                f"UPDATE archive SET record_offset = %s WHERE {PLACE}", (offset, *event.place)
            )
        conn.execute(
            "UPDATE archive SET record_offset = %s WHERE partition = %s AND record_offset = -7",
            (other.offset, one.partition),
        )
        if hide:
            cover_up(conn, [one])
        return {one.name, other.name}

    return act


def swap_bytes(conn: Conn, dice: random.Random) -> set[Name]:
    """Two of any streams: each stands, bytes and digest, where the other was filed."""
    one, other = dice.choice(stream(conn, dice)), dice.choice(stream(conn, dice))
    while one.name == other.name:
        other = dice.choice(stream(conn, dice))
    rewrite(conn, one, other.state, hide=True)
    rewrite(conn, other, one.state, hide=True)
    return {one.name, other.name}


def copy(conn: Conn, event: Event, state: bytes, sequence: int, offset: int) -> None:
    previous = bytes.fromhex(json.loads(state)["previous"])
    conn.execute(
        "INSERT INTO archive (cohort, life, partition, record_offset, source, subject, sequence, "
        "position, after, type, time, previous, digest, state) SELECT cohort, life, partition, %s, "
        f"source, subject, %s, position, after, type, time, %s, %s, %s FROM archive WHERE {PLACE}",
        (offset, sequence, previous, sha256(state).digest(), state, *event.place),
    )


def make_room(conn: Conn, event: Event) -> int:
    """Everything behind an event in its partition moves on by one; returns the free offset."""
    for step in (1_000_000, -999_999):
        conn.execute(
            "UPDATE archive SET record_offset = record_offset + %s "
            "WHERE partition = %s AND life = %s AND record_offset > %s",
            (step, event.partition, event.life, event.offset),
        )
    return event.offset + 1


def duplicate(*, hide: bool) -> Act:
    def act(conn: Conn, dice: random.Random) -> set[Name]:
        event = dice.choice(stream(conn, dice))
        copy(conn, event, event.state, event.sequence, make_room(conn, event))
        if hide:
            cover_up(conn, [event])
        return {event.name}

    return act


def rechain(conn: Conn, dice: random.Random) -> set[Name]:
    """One event says something else, and every later one of its stream vouches for that."""
    events = stream(conn, dice, least=2)
    at = dice.randrange(len(events))
    event = events[at]
    event.state = event.state.replace(b'"actor":"agent:x"', b'"actor":"agent:y"', 1)
    rewrite(conn, event, event.state, hide=True)
    harmed = {event.name} | chain_again(conn, events)
    cover_up(conn, events)
    return harmed


def rechain_and_drop_checkpoints(conn: Conn, dice: random.Random) -> set[Name]:
    """The same, and audit's own checkpoints go too, from its store and its archive."""
    harmed = rechain(conn, dice)
    conn.execute("DELETE FROM stored_events WHERE topic = 'checkpoint.sealed.v1'")
    conn.execute("DELETE FROM archive WHERE type = 'checkpoint.sealed.v1'")
    conn.execute("DELETE FROM head WHERE subject = 'audit'")
    for partition in range(12):
        positions_again(conn, partition)
        run_again(conn, partition)
    return harmed


def cut(*, hide: bool) -> Act:
    def act(conn: Conn, dice: random.Random) -> set[Name]:
        events = stream(conn, dice, least=3)
        gone = events[dice.randrange(1, len(events)) :]
        for event in gone:
            delete(conn, event)
        if hide:
            cover_up(conn, gone)
        return {event.name for event in gone}

    return act


def drop(*, hide: bool) -> Act:
    def act(conn: Conn, dice: random.Random) -> set[Name]:
        events = stream(conn, dice)
        for event in events:
            delete(conn, event)
        conn.execute(
            "DELETE FROM head WHERE source = %s AND subject = %s",
            (events[0].source, events[0].subject),
        )
        if hide:
            cover_up(conn, events)
        return {event.name for event in events}

    return act


def set_the_clock_back(conn: Conn, dice: random.Random) -> set[Name]:
    """From some event on a stream tells of an hour before, everything made to fit."""
    events = stream(conn, dice, least=2)
    at = dice.randrange(len(events))
    for event in events[at:]:
        time = json.loads(event.state)["time"]
        earlier = f"{time[:11]}{int(time[11:13]) - 1:02}{time[13:]}"
        event.state = event.state.replace(time.encode(), earlier.encode(), 1)
        conn.execute(
            f"UPDATE archive SET state = %s, digest = %s, time = %s WHERE {PLACE}",
            (event.state, sha256(event.state).digest(), earlier, *event.place),
        )
    chain_again(conn, events)
    cover_up(conn, events)
    return {event.name for event in events[at:]}


def checkpoint_row(conn: Conn) -> tuple[Any, int, dict[str, Any], bytes]:
    rows = conn.execute(
        "SELECT originator_id, originator_version, state FROM stored_events "
        "WHERE topic = 'checkpoint.sealed.v1' ORDER BY originator_version"
    ).fetchall()
    row = rows[round((REACH.at or 0) * (len(rows) - 1))]
    return row[0], row[1], json.loads(bytes(row[2])), bytes(row[2])


def forge_a_checkpoint(field: str, value: Callable[[Any, random.Random], Any]) -> Act:
    """One field of the checkpoint on record says something else; nobody can sign it anew."""

    def act(conn: Conn, dice: random.Random) -> set[Name]:
        key, version, event, _ = checkpoint_row(conn)
        event["data"][field] = value(event["data"][field], dice)
        state = json.dumps(event, separators=(",", ":")).encode()
        conn.execute(
            "UPDATE stored_events SET state = %s WHERE originator_id = %s "
            "AND originator_version = %s",
            (state, key, version),
        )
        conn.execute(
            "UPDATE archive SET state = %s, digest = %s WHERE subject = 'audit' AND sequence = %s",
            (state, sha256(state).digest(), version),
        )
        head_again(conn, "/bihuan/audit", "audit")
        for partition in range(12):
            run_again(conn, partition)
        return {("/bihuan/audit", "audit", version)}

    return act


def other_hex(text: str, dice: random.Random) -> str:
    at = dice.randrange(len(text))
    return text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1 :]


ACTS: dict[str, Act] = {
    "a byte flipped": flip_a_byte,
    "a byte flipped, and hidden": flip_a_byte_and_hide,
    **{
        f"removed, {which}{', and hidden' if hide else ''}": remove(which, hide=hide)
        for which in ("head", "middle", "tail")
        for hide in (False, True)
    },
    "removed, the gap closed by new numbers": remove_and_close_the_gap,
    "swapped": swap(hide=False),
    "swapped, and hidden": swap(hide=True),
    "swapped, their bytes": swap_bytes,
    "duplicated": duplicate(hide=False),
    "duplicated, and hidden": duplicate(hide=True),
    "chained anew": rechain,
    "chained anew, checkpoints dropped": rechain_and_drop_checkpoints,
    "cut at its end": cut(hide=False),
    "cut at its end, and hidden": cut(hide=True),
    "dropped whole": drop(hide=False),
    "dropped whole, and hidden": drop(hide=True),
    "the clock set back": set_the_clock_back,
    "a checkpoint forged: its root": forge_a_checkpoint("root", other_hex),
    "a checkpoint forged: its size": forge_a_checkpoint("size", lambda size, _: size - 1),
    "a checkpoint forged: its time": forge_a_checkpoint(
        "sealed_at", lambda time, _: f"{time[:11]}{int(time[11:13]) - 1:02}{time[13:]}"
    ),
    "a checkpoint forged: its key": forge_a_checkpoint("public_key", lambda _, dice: "A" * 43),
}
