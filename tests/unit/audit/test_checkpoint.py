"""A checkpoint's text is a C2SP signed note; it reads back as it was written, or is refused."""

import stat
from base64 import b64decode
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from contracts.housekeeping import CheckpointSealed
from libs.decider import Context, Policies
from services.audit.domain.checkpoint import (
    CHECKPOINTS,
    Accepted,
    Checkpoint,
    NotACheckpoint,
    Seal,
    Sealed,
    Signed,
    Superseded,
    decide,
    event_of,
    key_id,
    next_mark,
    public_key_of,
    read_note,
    read_verifier_key,
    signed_of,
    verifier_key,
)
from services.audit.domain.leaves import Leaf, NotAList, head_line, read_list, span_line
from services.audit.domain.tree import Frontier
from services.audit.holding import displaced
from services.audit.signing import UnsafeKeyFile, is_signed, open_key

NOON = datetime(2025, 10, 9, 4, 0, tzinfo=UTC)
CHECKPOINT = Checkpoint(
    origin="bihuan/audit",
    size=3,
    root=b"\x01" * 32,
    sealed_at=NOON,
    previous_size=1,
    previous_root=b"\x02" * 32,
    streams=2,
    partitions=(Accepted(0, 1, b"\x03" * 32), Accepted(7, 2, b"\x04" * 32)),
)
TEXT = """\
bihuan/audit
3
AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=
sealed 2025-10-09T04:00:00.000000Z
previous 1 AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=
streams 2
partition 0 1 AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM=
partition 7 2 BAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQ=
"""
PUBLIC = bytes(range(32))
SIGNATURE = bytes(range(64))


def note() -> str:
    return Signed(CHECKPOINT, key_id("bihuan/audit", PUBLIC), SIGNATURE).note()


def test_the_text_is_that_of_a_tlog_checkpoint() -> None:
    assert CHECKPOINT.text() == TEXT
    first = replace(CHECKPOINT, previous_size=0, previous_root=None)
    assert first.text() == TEXT.replace(TEXT.splitlines(keepends=True)[4], "")


def test_the_note_that_the_go_project_publishes_is_read_and_checked_the_same() -> None:
    """The example of golang.org/x/mod/sumdb/note, whose form C2SP's signed note is."""
    example = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    text = (
        "If you think cryptography is the answer to your problem,\n"
        "then you don't know what your problem is.\n"
    )
    signed = b64decode(
        "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJ"
        "nAM="
    )
    name, key = read_verifier_key(example)
    assert name == "PeterNeumann"
    assert verifier_key(name, key) == example
    assert key_id(name, key) == signed[:4]
    assert is_signed(text, signed[4:], key)
    assert not is_signed(text.replace("you", "we"), signed[4:], key)
    with pytest.raises(NotACheckpoint):
        read_verifier_key(example.replace("c74f", "c74e"))


def test_a_note_reads_back_as_it_was_written() -> None:
    signed = read_note(note())
    assert signed.checkpoint == CHECKPOINT
    assert (signed.key_id, signed.signature) == (key_id("bihuan/audit", PUBLIC), SIGNATURE)
    witnessed = f"{note()}\N{EM DASH} witness.example AAAA\n"
    assert read_note(witnessed) == signed


def test_an_event_and_its_note_say_the_same() -> None:
    event = event_of(CHECKPOINT, PUBLIC, SIGNATURE)
    assert signed_of(event).note() == note()
    assert public_key_of(event) == PUBLIC
    assert CheckpointSealed.model_validate_json(event.model_dump_json()) == event


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("\n3\n", "\n03\n"),
        ("\n3\n", "\n-3\n"),
        ("AQEB", "AQE"),
        ("AQEB", "A*EB"),
        ("sealed 2025-10-09T04", "sealed 2025-13-09T04"),
        ("sealed", "Sealed"),
        ("streams 2\n", ""),
        ("partition 7 2", "partition 7"),
        ("\n\n", "\n"),
        ("\N{EM DASH} bihuan/audit", "\N{EM DASH} somebody"),
        ("\N{EM DASH} ", "- "),
        ("partition 0 1", "partition 00 1"),
        ("previous 1 ", "previous 01 "),
    ],
)
def test_what_is_not_written_so_is_no_checkpoint(old: str, new: str) -> None:
    assert old in note()
    with pytest.raises(NotACheckpoint):
        read_note(note().replace(old, new, 1))


@pytest.mark.parametrize("text", ["", "\n", "a", "a\nb\nc\n", "\n\n", "x" * 2_000_000, "\0\n1\n\n"])
def test_no_text_makes_reading_fail_otherwise(text: str) -> None:
    with pytest.raises(NotACheckpoint):
        read_note(text)


def test_a_key_is_made_once_for_its_owner_only_and_published(tmp_path: Path) -> None:
    path = tmp_path / "new" / "checkpoint.key"
    key = open_key(path, "bihuan/audit")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert open_key(path, "bihuan/audit").public == key.public
    published = path.with_name("checkpoint.key.pub").read_text(encoding="ascii")
    assert read_verifier_key(published) == ("bihuan/audit", key.public)
    signature = key.sign(TEXT)
    assert is_signed(TEXT, signature, key.public)
    assert not is_signed(TEXT.replace("streams 2", "streams 3"), signature, key.public)
    assert not is_signed(TEXT, signature, PUBLIC)
    assert not is_signed(TEXT, signature[:-1], key.public)


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.key"
    open_key(path, "bihuan/audit")
    path.chmod(0o640)
    with pytest.raises(UnsafeKeyFile, match="mode 640"):
        open_key(path, "bihuan/audit")


def test_a_file_that_holds_no_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.key"
    path.write_bytes(b"nothing")
    path.chmod(0o600)
    with pytest.raises(UnsafeKeyFile, match="holds no key"):
        open_key(path, "bihuan/audit")


@pytest.mark.parametrize(
    ("now", "then"),
    [
        (NOON, NOON + timedelta(hours=1)),
        (NOON + timedelta(microseconds=1), NOON + timedelta(hours=1)),
        (NOON - timedelta(microseconds=1), NOON),
    ],
)
def test_checkpoints_are_due_at_full_hours(now: datetime, then: datetime) -> None:
    assert next_mark(now, timedelta(hours=1)) == then


def test_checkpoints_follow_each_other() -> None:
    context = Context(now=NOON, actor="system:audit", policies=Policies())
    event = event_of(CHECKPOINT, PUBLIC, SIGNATURE)
    before = Sealed(size=1, root="02" * 32, sealed_at=NOON)
    assert CHECKPOINTS.kind == "checkpoint"
    assert list(decide(before, Seal(at=NOON, checkpoint=event), context)) == [event]
    for state in (
        None,
        replace(before, size=2),
        replace(before, root="05" * 32),
        replace(before, sealed_at=NOON + timedelta(seconds=1)),
    ):
        with pytest.raises(Superseded):
            decide(state, Seal(at=NOON, checkpoint=event), context)


# -- the list beside it ---------------------------------------------------------------------------

LEAVES = [
    Leaf(3, (1, 0), b"\x05" * 32, "/bihuan/intake", 'a subject\nwith \u2028 odd "marks"', 1),
    Leaf(3, (1, 4), b"\x06" * 32, "/bihuan/routing", "b", None),
    Leaf(5, (2, 0), b"\x07" * 32, "/bihuan/intake", "c", 9),
]


def a_list() -> str:
    return "".join(
        [
            head_line(0, 3, []),
            span_line(3, 2, (0, -1)),
            LEAVES[0].line(),
            LEAVES[1].line(),
            span_line(5, 1, (1, 7)),
            LEAVES[2].line(),
        ]
    )


def test_a_list_reads_back_and_gives_the_root() -> None:
    read = read_list(a_list())
    frontier = Frontier()
    for leaf in LEAVES:
        frontier.append(leaf.digest)
    assert (read.previous_size, read.size, read.root) == (0, 3, frontier.root())
    assert read.runs == {3: ((0, -1), LEAVES[:2]), 5: ((1, 7), LEAVES[2:])}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"size":3', '"size":4'),
        ('"peaks":[]', '"peaks":["00"]'),
        ("0505", "05zz"),
        ("[3,1,0,", "[4,1,0,"),
        ("[3,1,0,", '["3",1,0,'),
        ('"c",9]', '"c"]'),
        ("\n[", "\n{["),
        ('"after":[1,7]', '"after":7'),
    ],
)
def test_what_is_not_written_so_is_no_list(old: str, new: str) -> None:
    assert old in a_list()
    with pytest.raises(NotAList):
        read_list(a_list().replace(old, new, 1))


@pytest.mark.parametrize(
    ("places", "found"),
    [
        ([], []),
        ([1, 2, 3], []),
        ([2, 1, 3], [0, 1]),
        ([5, 2, 3, 4, 1, 6], [0, 4]),
        ([2, 3, 4, 1, 5], [3]),
        ([9, 1, 2, 3, 4], [0]),
        ([2, 1, 3, 6, 4, 5], [0, 1, 3]),
    ],
)
def test_only_what_was_moved_is_said_to_stand_elsewhere(
    places: list[int], found: list[int]
) -> None:
    assert displaced([(1, place) for place in places]) == found
