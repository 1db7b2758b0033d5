"""A log of 11,210 events and one checkpoint kept elsewhere: whatever is done to it is named.

10,000 lie in the database as rows, 200 of them purged meanwhile; 500 lie in a month's file; 600
say who opened whose data; 110 came after the checkpoint before. The acts are in tampering*.py,
which share no code with what seals, purges, files or verifies. BIHUAN_MUTATIONS says how often each
act is tried (default 2), but those that only the checkpoint can find: they are done to the first,
the middle and the last stream of what was sealed before, and of what came since. How many were
tried is printed.
"""

import asyncio
import os
import random
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import tuple_row

from services.audit import holding
from services.audit.cold.store import Folder
from services.audit.domain.chain import Fault, FaultKind
from services.audit.domain.checkpoint import read_note, read_verifier_key
from services.audit.domain.leaves import read_list
from services.audit.holding import Exported
from services.audit.verification import Asked, Verified, make_room, prove
from tests.integration.audit import tampering_kept
from tests.integration.audit.sealed_twice import (
    BEGUN_LATER,
    EVENTS,
    FILED,
    FIRST,
    GOING_ON,
    PERSONS,
    PURGE_KEY,
    PURGED,
    SECOND,
    TOLD,
    fill,
    later,
    seal,
)
from tests.integration.audit.tampering import ACTS, REACH, SOURCES, Act, Name, Stream, placed
from tests.integration.audit.tampering_inserted import INSERTIONS
from tests.integration.audit.tellers import POLICIES, complaint
from tests.stack import UNGUARDED, room

TIMES = int(os.environ.get("BIHUAN_MUTATIONS", "2"))


@dataclass(frozen=True)
class Kept:
    """A sealed archive, and what somebody kept of it elsewhere."""

    dsn: str
    first: Exported
    second: Exported
    key: bytes
    files: Path
    acts: dict[str, Act]
    eras: dict[str, frozenset[Stream]]
    """Those whose events all lie before the first checkpoint, after it, or on both sides."""

    def proven(self, conn: Any, exported: Exported, *, listed: bool) -> Verified:
        if not listed:
            exported = Exported(exported.signed)
        keys = [tampering_kept.written(PURGE_KEY.public_key().public_bytes_raw())]
        asked = Asked("", threading.Event(), exported, [self.key], keys, Folder(self.files))
        return prove(conn, None, asked)

    def as_it_was(self, copy: Path) -> None:
        """The files, after somebody had them in hand."""
        shutil.rmtree(self.files)
        shutil.copytree(copy, self.files)
        REACH.forget()


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    folder = tmp_path_factory.mktemp("kept")
    with room(("audit",)) as where:
        relays = fill(where, f"{where.prefix}complaints.log")
        asyncio.run(seal(where, folder, relays))
        first, second = (
            Exported(read_note(one.read_text()), read_list(one.with_suffix(".leaves").read_text()))
            for one in sorted((folder / "drop").glob("*.checkpoint"))
        )
        _, key = read_verifier_key((folder / "key.pub").read_text("ascii"))
        REACH.folder = folder / "files"
        going_on, begun = later()
        told = {complaint(one) for one in range(len(PURGED), EVENTS // len(TOLD))}
        intake = (TOLD[0][0],)
        REACH.never = frozenset({*going_on, *begun})
        yield Kept(
            where.dsns["audit"],
            first,
            second,
            key,
            folder / "files",
            {**ACTS, **INSERTIONS, **tampering_kept.acts(PURGE_KEY)},
            {
                "before": frozenset(product(SOURCES, told - {*going_on})),
                "after": frozenset(product(intake, begun)),
                "across": frozenset(product(intake, going_on)),
            },
        )


def test_what_nobody_touched_holds(kept: Kept) -> None:
    with psycopg.connect(kept.dsn, row_factory=tuple_row, options=UNGUARDED) as conn:
        make_room(conn)
        for exported in (kept.first, kept.second):
            verified = kept.proven(conn, exported, listed=True)
            assert (verified.faults, verified.held) == ([], True)
    assert verified.faults == []
    assert verified.held
    went, filed, opened = 10 * len(PURGED), 10 * len(FILED), 5 * len(PERSONS)
    # the log, audit's own policies, the purge proposed, approved, signed, and twice answered; the
    # file, and the two checkpoints themselves
    told_later = GOING_ON + 4 * BEGUN_LATER
    assert verified.events == EVENTS - went + filed + opened + told_later + POLICIES + 5 + 1 + 2
    assert verified.checkpoints == 2
    assert verified.purged == went
    (tombstone,) = verified.tombstones
    assert (tombstone.events, tombstone.streams, tombstone.sealed) == (went, 3 * len(PURGED), True)


ONLY_BY_THE_CHECKPOINT = (
    "chained anew",
    "chained anew, checkpoints dropped",
    "removed, middle, and hidden",
    "removed, the gap closed by new numbers",
    "inserted, head, and chained anew",
    "inserted, middle, and chained anew",
    "cut at its end, and hidden",
    "dropped whole, and hidden",
    "the clock set back",
)
"""Everything that the archive says of itself is made to fit."""
FORGED = "a checkpoint forged: "
PLACES = (*product(("before", "after"), (0.0, 0.5, 1.0)), ("across", 0.5))
"""The first, the middle and the last stream of each era, and one that lies in both."""
CHECKPOINTS = {("/bihuan/audit", "audit", number) for number in (1, 2)}


def named(verified: Verified) -> dict[Name, Fault]:
    """The faults that name an event."""
    return {
        (one.source, one.subject, one.sequence): one
        for one in verified.faults
        if one.sequence is not None
    }


def misnamed(
    harmed: set[Name], verified: Verified, *, moved: bool = False
) -> list[tuple[str, list[Name]]]:
    """Harmed events that no fault names, and events named that nobody harmed.

    An event has a fault if it was harmed itself: taken, altered, put in or moved. Who stands beside
    it, and vouches for bytes that are gone, is a witness and at no fault. Of what follows only this
    is an event: the checkpoint that sealed the harmed bytes, whose root no longer comes out; and
    where one was `moved` past others of its stream, those: which of two in the wrong order has left
    its place, the stream cannot tell.
    """
    passed = {
        name
        for name, fault in named(verified).items()
        if moved and fault.kind is FaultKind.SWAPPED and name[:2] in {one[:2] for one in harmed}
    }
    found = {(one.source, one.subject, one.sequence) for one in verified.faults}
    lists = {
        "not named": harmed - found,
        "named, and not harmed": named(verified).keys() - harmed - CHECKPOINTS - passed,
    }
    return [(what, sorted(names)) for what, names in lists.items() if names]


def test_every_act_is_found_and_the_events_it_harmed_are_named_and_no_other(
    kept: Kept, tmp_path: Path, say_tried: Callable[[str], None]
) -> None:
    shutil.copytree(kept.files, tmp_path / "files")
    dice = random.Random(20251020)
    tried: Counter[str] = Counter()
    unfound: list[Any] = []
    acts = {
        name: act
        for name, act in kept.acts.items()
        if name not in ONLY_BY_THE_CHECKPOINT and not name.startswith(FORGED)
    }
    with psycopg.connect(kept.dsn, row_factory=tuple_row, options=UNGUARDED) as conn:
        make_room(conn)
        for name, act in acts.items():
            for number in range(TIMES):
                with conn.transaction(force_rollback=True):
                    harmed = act(conn, dice)
                    verified = kept.proven(conn, kept.first, listed=True)
                    wrong = misnamed(harmed, verified, moved=name == "filed: two exchanged")
                    unfound += [(name, *one) for one in wrong]
                    if number == 0 and not kept.proven(conn, kept.first, listed=False).faults:
                        unfound.append((name, "not found by the checkpoint alone"))
                if name.startswith("filed: "):
                    kept.as_it_was(tmp_path / "files")
                tried[name] += 1
    counted = f"{sum(tried.values())} mutations of {len(tried)} kinds, {len(unfound)} unfound"
    say_tried(counted)
    assert not unfound, "\n".join(map(str, unfound))
    assert set(tried.values()) == {TIMES}


def test_what_only_the_checkpoint_can_find_is_found_wherever_it_was_done(
    kept: Kept, say_tried: Callable[[str], None]
) -> None:
    """By its list each harmed event that it sealed is named; a later note alone says since when.

    A list has what came since the checkpoint before: so that of its hour is given, and no other.
    """
    dice = random.Random(20251021)
    tried: Counter[str] = Counter()
    unfound: list[Any] = []
    with psycopg.connect(kept.dsn, row_factory=tuple_row, options=UNGUARDED) as conn:
        make_room(conn)
        for name, (era, at) in product(ONLY_BY_THE_CHECKPOINT, PLACES):
            with conn.transaction(force_rollback=True), placed(kept.eras[era], at):
                harmed = kept.acts[name](conn, dice)
                given, sealed_at = (kept.first, FIRST) if era != "after" else (kept.second, SECOND)
                verified = kept.proven(conn, given, listed=True)
                found = named(verified)
                sealed = harmed & witnessed(conn, given, harmed)
                wrong = misnamed(sealed | (harmed & found.keys()), verified)
                wrong += [
                    (f"{found[one].kind}, since {found[one].since}", [one])
                    for one in sorted(sealed & found.keys())
                    if found[one].since != sealed_at
                    or found[one].kind not in ("changed", "missing", "added")
                ]
                unfound += [(name, era, at, *one) for one in wrong]
                if verified.held != ("checkpoints dropped" not in name):
                    unfound.append((name, era, at, f"held: {verified.held}"))
                if at == 0.5:
                    note = kept.proven(conn, kept.second, listed=False)
                    unfound += [(name, era, one) for one in untold(era, name, note)]
            tried[name] += 1
    counted = f"{sum(tried.values())} mutations of {len(tried)} kinds, {len(unfound)} unfound"
    say_tried(f"{counted}; by one exported checkpoint and nothing else")
    assert not unfound, "\n".join(map(str, unfound))
    assert set(tried.values()) == {len(PLACES)}


def witnessed(conn: Any, given: Exported, harmed: set[Name]) -> set[Name]:
    """What the kept list has, and what stands no further back than its newest leaf."""
    assert given.leaves is not None
    runs = given.leaves.runs
    listed = {
        (leaf.source, leaf.subject, leaf.sequence or 0) for _, run in runs.values() for leaf in run
    }
    newest = {number: run[-1].place if run else after for number, (after, run) in runs.items()}
    stand = conn.execute(
        "SELECT source, subject, sequence, partition, life, record_offset FROM archive "
        "WHERE subject = ANY(%s)",
        ([one[1] for one in harmed],),
    ).fetchall()
    before = {row[:3] for row in stand if row[3] in newest and row[4:] <= newest[row[3]]}
    return listed | before


def untold(era: str, name: str, verified: Verified) -> list[str]:
    """What the note alone ought to have said, and did not: what is wrong, and since when.

    What lay under the first checkpoint has no sound instant before it; what came after it was sound
    when that was sealed, unless nobody has that one any more.
    """
    faults = [one for one in verified.faults if one.kind is FaultKind.CHECKPOINT]
    if not any("what was sealed" in one.what or "of those sealed" in one.what for one in faults):
        return ["no partition is said to be another than was sealed"]
    first = FIRST if era == "after" and "checkpoints dropped" not in name else None
    since = {one.since for one in faults}
    return [] if era == "across" or since == {first} else [f"since {since}"]


def test_a_forged_checkpoint_is_named_whichever_it_is(
    kept: Kept, say_tried: Callable[[str], None]
) -> None:
    """The one before the one that was kept, and the very one; with its list and without."""
    dice = random.Random(20251022)
    unfound: list[Any] = []
    tried = 0
    forgeries = {name: act for name, act in kept.acts.items() if name.startswith(FORGED)}
    with psycopg.connect(kept.dsn, row_factory=tuple_row, options=UNGUARDED) as conn:
        make_room(conn)
        for (name, act), at in product(forgeries.items(), (0.0, 1.0)):
            with conn.transaction(force_rollback=True), placed(None, at):
                (forged,) = act(conn, dice)
                for listed in (True, False):
                    verified = kept.proven(conn, kept.second, listed=listed)
                    wrong = misnamed({forged}, verified)
                    fault = named(verified).get(forged)
                    if fault is None or "forged" not in fault.what:
                        wrong.append(("not said to be forged", [forged]))
                    unfound += [(name, at, listed, *one) for one in wrong]
            tried += 1
    say_tried(f"{tried} mutations of {len(forgeries)} kinds, {len(unfound)} unfound")
    assert not unfound, "\n".join(map(str, unfound))
    assert (tried, len(forgeries)) == (8, 4)


def test_what_came_after_a_checkpoint_is_for_the_next_one_to_find(kept: Kept) -> None:
    """The limit of one kept checkpoint: behind its newest leaf, those on record and no other."""
    act = kept.acts["chained anew"]
    with psycopg.connect(kept.dsn, row_factory=tuple_row, options=UNGUARDED) as conn:
        make_room(conn)
        with conn.transaction(force_rollback=True), placed(kept.eras["after"], 0.5):
            act(conn, random.Random(1))
            verified = kept.proven(conn, kept.first, listed=True)
            (fault,) = verified.faults
            assert (fault.kind, fault.sequence, fault.since) == (FaultKind.CHECKPOINT, 2, FIRST)
            assert verified.held


@pytest.mark.parametrize("name", ["chained anew", "dropped whole, and hidden"])
def test_without_checkpoints_what_is_hidden_well_would_not_be_found(
    kept: Kept, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holding.Roots, "run", lambda _self: None)
    monkeypatch.setattr(holding.Witness, "settle", lambda _self, _findings: None)
    with psycopg.connect(kept.dsn, row_factory=tuple_row, options=UNGUARDED) as conn:
        make_room(conn)
        with conn.transaction(force_rollback=True):
            ACTS[name](conn, random.Random(1))
            assert kept.proven(conn, kept.first, listed=True).faults == []
