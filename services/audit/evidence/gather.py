"""Reads what a bundle is made of: events by complaint or by period, and what they followed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import dict_row
from pydantic_core import from_json

from contracts.housekeeping import CheckpointSealed, PolicyActivated
from libs.decider import Conflict, NotFound, Refused
from libs.decider.decider import wire_instant
from services.audit import views
from services.audit.cold.form import Record
from services.audit.cold.records import Records
from services.audit.domain.checkpoint import public_key_of, signed_of, verifier_key
from services.audit.domain.policy import Said, Words
from services.audit.domain.shape import policies_in
from services.audit.domain.telling import channel_of, reason_of
from services.audit.domain.tree import NotInTree, Tree, inclusion_proof, leaf_hash
from services.audit.evidence.bundle import Content, Proven
from services.audit.evidence.page import Told, row_of
from services.audit.evidence.promises import promises
from services.audit.gone import Purged, absent
from services.audit.printing import REASONS, both, led, plain, service_of
from services.audit.tiles import Leaves, checkpoint_of, last_checkpoint, tree_at

EVENTS_MAX = 50_000
PAGE_STEPS_MAX = 5_000
CALENDAR = "working-days"
"""The policy that events mean where they name a calendar's version alone."""
NOT_AS_SEALED = Said(
    en="This record is no longer as it was sealed; verify_bundle.py names it.",
    zh="该记录与封存时不一致,以核验程序所列为准。",
)


class NothingSealed(NotFound):
    """No checkpoint covers anything of this yet; ask again after the next full hour."""

    rule = "nothing-sealed"
    zh = "尚无检查点包含相关事件,请在下一整点后重试"


class Lost(Conflict):
    """The archive took in records of this complaint and holds none; see what `verify` says."""

    rule = "records-lost"
    zh = "档案曾收到该投诉的记录,现已全部缺失,请先核验"


class TooMuch(Refused):
    """One bundle does not hold so many events; ask for a shorter period."""

    rule = "too-much-for-a-bundle"
    zh = "事件过多,请缩短期间"


class TreeHarmed(Conflict):
    """The tree of checkpoints is not whole, so nothing can be proven; see what `verify` says."""

    rule = "tree-harmed"
    zh = "检查点哈希树不完整,无法出具证据,请先核验"


class KeyReplaced(Conflict):
    """Its checkpoint was signed by a key that signs no more; name a later one, or ask in an hour.

    A bundle has one key, for its checkpoint and its manifest. The key in use seals at the next
    full hour, also where nothing new came.
    """

    rule = "checkpoint-key-replaced"
    zh = "该检查点由已更换的密钥签署,请指定更晚的检查点,或在下一整点后重试"


def of_complaint(
    records: Records, complaint: UUID, size: int | None, words: Words, key: bytes
) -> Content:
    """Everything of one complaint that a checkpoint covers, its streams from their beginnings.

    `key`: the public half of the key that signs, here and in `of_period`.
    """
    checkpoint = _checkpoint(records.conn, size, key)
    found = _few(records.of([str(complaint)]))
    heads = _heads(records.conn, complaint)
    if not found:
        gone = absent(records.conn, complaint)
        raise gone if isinstance(gone, Purged) or not heads else Lost
    about: dict[str, Any] = {"complaint": str(complaint)}
    known = views.about(records.conn, complaint)
    if known is not None:
        about["receipt"] = known["receipt"]
    steps = views.timeline(records, complaint, None, PAGE_STEPS_MAX)
    made = _content(records, checkpoint, about, found, words, steps, whole=True)
    return replace(made, heads=whole_streams(made.heads, found, heads))


def of_period(
    records: Records,
    since: datetime,
    until: datetime,
    size: int | None,
    words: Words,
    key: bytes,
) -> Content:
    """Every event recorded in [since, until) that a checkpoint covers."""
    checkpoint = _checkpoint(records.conn, size, key)
    found = _few(records.between(since, until, EVENTS_MAX + 1))
    about = {"from": wire_instant(since), "to": wire_instant(until)}
    steps = views.steps_alone(found[:PAGE_STEPS_MAX])
    return _content(records, checkpoint, about, found, words, steps, whole=False)


def _checkpoint(conn: Connection[Any], size: int | None, key: bytes) -> CheckpointSealed:
    found = last_checkpoint(conn)[1] if size is None else checkpoint_of(conn, size)
    if found is None:
        raise NothingSealed
    if public_key_of(found) != key:
        raise KeyReplaced
    return found


def _few(found: list[Record]) -> list[Record]:
    if len(found) > EVENTS_MAX:
        raise TooMuch(f"There are more than {EVENTS_MAX} events; ask for a shorter period.")
    return found


def _content(
    records: Records,
    checkpoint: CheckpointSealed,
    about: Mapping[str, Any],
    rows: Sequence[Record],
    words: Words,
    steps: Sequence[views.Step],
    *,
    whole: bool,
) -> Content:
    """What was sealed of these rows; raises NothingSealed, TreeHarmed."""
    try:
        proving = _Proving(records, checkpoint)
        covered = sorted(
            (one for one in map(proving.sealed, rows) if one is not None),
            key=lambda one: (one.index, one.row.place),
        )
        if not covered:
            raise NothingSealed
        bodies = [one.body for one in covered if one.true and one.body]
        policies = [proving.proven(one) for one in _policies(proving, bodies)]
        events = [proving.proven(one) for one in covered if one.one_line]
    except NotInTree as error:
        raise TreeHarmed from error
    by_place = {(one.row.partition, one.row.place): one for one in covered}
    told = [(by_place.get((step.partition, step.place)), step) for step in steps]
    return Content(
        about=about,
        whole=whole,
        note=signed_of(checkpoint).note(),
        key=verifier_key(checkpoint.origin, public_key_of(checkpoint)),
        events=events,
        policies=policies,
        heads=heads_of([one.row for one in covered]),
        steps=[told_of(step, words, true=one.true) for one, step in told if one is not None],
        promises=[row_of(one, words) for one in promises(bodies)],
        harmed=sum(not (one.true and one.one_line) for one in covered),
    )


@dataclass(frozen=True, slots=True)
class _Sealed:
    """A row that a checkpoint covers, and which leaf it is."""

    row: Record
    index: int
    true: bool
    """Its bytes are those that were sealed."""
    body: Any

    @property
    def one_line(self) -> bool:
        """Whether a file of lines can hold it; what cannot is no event of ours and is missing."""
        return b"\n" not in self.row.state


class _Proving:
    """Finds the leaves of rows, and the paths from there to the checkpoint's root."""

    def __init__(self, records: Records, checkpoint: CheckpointSealed) -> None:
        self.records = records
        self._size = checkpoint.size
        self._tree: Tree = tree_at(records.conn, checkpoint.size)
        self._leaves = Leaves(records)
        self._spans: dict[int, dict[bytes, int]] = {}

    def sealed(self, row: Record) -> _Sealed | None:
        """None where the checkpoint does not cover it."""
        found = self._leaves.of(row.partition, row.place)
        if found is None or found >= self._size:
            return None
        leaf = leaf_hash(sha256(row.state).digest())
        index = found if self._tree.node(0, found) == leaf else self._elsewhere(row, leaf)
        return _Sealed(row, found if index is None else index, index is not None, _body(row.state))

    def proven(self, one: _Sealed) -> Proven:
        """With its path."""
        path = inclusion_proof(one.index, self._tree.size, self._tree.node)
        return Proven(one.row.state, one.index, path)

    def _elsewhere(self, row: Record, leaf: bytes) -> int | None:
        """Its leaf by its bytes: where rows were taken out, those behind them stand too early."""
        span = self._leaves.span(row.partition, row.place)
        if span is None or span.first + span.records > self._size:
            return None
        known = self._spans.get(span.first)
        if known is None:
            numbers = range(span.first, span.first + span.records)
            known = {self._tree.node(0, number): number for number in numbers}
            self._spans[span.first] = known
        return known.get(leaf)


def _policies(proving: _Proving, bodies: Sequence[Any]) -> Iterator[_Sealed]:
    """The events that brought into force what these events followed, and harmed ones of those."""
    wanted = {one for body in bodies for one in policies_in(body["data"])}
    wanted |= {(CALENDAR, one) for body in bodies for one in _calendars(body["data"])}
    names = sorted({name for name, _ in wanted})
    rows = proving.records.of(names, kinds=[PolicyActivated.type])
    found = [one for one in map(proving.sealed, rows) if one is not None and one.one_line]
    for one in sorted(found, key=lambda one: one.index):
        data = one.body.get("data", {})
        if not one.true or (data.get("name"), str(data.get("version"))) in wanted:
            yield one


def _body(state: bytes) -> Any:
    """An event's JSON; empty for bytes that are none."""
    try:
        event = from_json(state)
    except ValueError:
        return {}
    return event if isinstance(event, dict) and isinstance(event.get("data"), dict) else {}


def _calendars(data: Any) -> Iterator[str]:
    if isinstance(data, dict):
        for name, inner in data.items():
            if name == "calendar" and isinstance(inner, str):
                yield inner
            elif name != "content":
                yield from _calendars(inner)
    elif isinstance(data, list):
        for inner in data:
            yield from _calendars(inner)


def heads_of(rows: Sequence[Record]) -> list[dict[str, Any]]:
    """Where each stream begins and ends among these rows."""
    streams: dict[tuple[str, str], dict[int, Record]] = {}
    for row in rows:
        if row.sequence is not None:
            streams.setdefault((row.source, row.subject), {})[row.sequence] = row
    return [
        {
            "source": source,
            "subject": subject,
            "first": min(stream),
            "sequence": max(stream),
            "digest": stream[max(stream)].digest.hex(),
        }
        for (source, subject), stream in sorted(streams.items())
    ]


def _heads(conn: Connection[Any], complaint: UUID) -> Sequence[Mapping[str, Any]]:
    """Where audit, when it took them in, saw each stream of a complaint end."""
    with conn.cursor(row_factory=dict_row) as curs:
        return curs.execute(
            "SELECT source, subject, sequence, encode(digest, 'hex') AS digest FROM head "
            "WHERE subject = %s ORDER BY source",
            (str(complaint),),
        ).fetchall()


def whole_streams(
    found: Sequence[Mapping[str, Any]], rows: Sequence[Record], heads: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """Heads from number 1 up to over what the archive lost at an end, so that it is missed."""
    known = {(one["source"], one["subject"]): {**one, "first": 1} for one in found}
    there = {(one.source, one.subject, one.sequence) for one in rows}
    for head in heads:
        if (head["source"], head["subject"], head["sequence"]) not in there:
            known[head["source"], head["subject"]] = {**head, "first": 1}
    return [known[stream] for stream in sorted(known)]


# -- as the page tells it -------------------------------------------------------------------------


def told_of(step: views.Step, words: Words, *, true: bool) -> Told:
    """A step in words; of one that is not as it was sealed nothing is told but that."""
    said = words.say(step.type, step.data) if true else NOT_AS_SEALED
    event = step.cause.event
    return Told(
        time=step.time,
        service=service_of(step.source),
        type=step.type,
        number=step.sequence,
        actor=step.actor,
        channel=both(words, channel_of(step.actor, step.data), "channel"),
        cause=f"{plain(event.type)} · {service_of(event.source)} · {event.sequence}"
        if event
        else led(step.cause),
        policies="; ".join(f"{name} {version}" for name, version in step.policies),
        reason=both(words, reason_of(step.type, step.data), *REASONS),
        en=said.en,
        zh=said.zh,
        harmed=not true,
    )
