"""Reads what a bundle is made of: events by complaint or by period, and what they followed."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Connection
from pydantic_core import from_json

from contracts.housekeeping import CheckpointSealed, PolicyActivated
from libs.decider import NotFound, Refused
from libs.decider.decider import wire_instant
from services.audit import views
from services.audit.cold.form import Record
from services.audit.cold.records import Records
from services.audit.domain.checkpoint import public_key_of, signed_of, verifier_key
from services.audit.domain.policy import Words
from services.audit.domain.shape import policies_in
from services.audit.domain.telling import channel_of, reason_of
from services.audit.domain.tree import Tree, inclusion_proof
from services.audit.evidence.bundle import Content, Proven
from services.audit.evidence.page import Told
from services.audit.gone import Purged, absent
from services.audit.printing import led, plain, service_of
from services.audit.tiles import Leaves, checkpoint_of, last_checkpoint, tree_at

EVENTS_MAX = 50_000
PAGE_STEPS_MAX = 5_000
CALENDAR = "working-days"
"""The policy that events mean where they name a calendar's version alone."""


class NothingSealed(NotFound):
    """No checkpoint covers anything of this yet; ask again after the next full hour."""

    rule = "nothing-sealed"
    zh = "尚无检查点包含相关事件,请在下一整点后重试"


class TooMuch(Refused):
    """One bundle does not hold so many events; ask for a shorter period."""

    rule = "too-much-for-a-bundle"
    zh = "事件过多,请缩短期间"


class NotPlain(Refused):
    """The archive holds bytes there that are no event of ours; see what `verify` says of them."""

    rule = "not-plain"
    zh = "档案中有非本系统事件的字节,请先核验"


def of_complaint(records: Records, complaint: UUID, size: int | None, words: Words) -> Content:
    """Everything of one complaint that a checkpoint covers, its streams from their beginnings."""
    checkpoint = _checkpoint(records.conn, size)
    found = _few(records.of([str(complaint)]))
    if not found and isinstance(gone := absent(records.conn, complaint), Purged):
        raise gone
    about: dict[str, Any] = {"complaint": str(complaint)}
    known = views.about(records.conn, complaint)
    if known is not None:
        about["receipt"] = known["receipt"]
    steps = views.timeline(records, complaint, None, PAGE_STEPS_MAX)
    made = _Content(records, checkpoint)
    return made.content(about, found, words, steps, whole=True)


def of_period(
    records: Records, since: datetime, until: datetime, size: int | None, words: Words
) -> Content:
    """Every event recorded in [since, until) that a checkpoint covers."""
    checkpoint = _checkpoint(records.conn, size)
    found = _few(records.between(since, until, EVENTS_MAX + 1))
    about = {"from": wire_instant(since), "to": wire_instant(until)}
    return _Content(records, checkpoint).content(about, found, words, [], whole=False)


def _checkpoint(conn: Connection[Any], size: int | None) -> CheckpointSealed:
    found = last_checkpoint(conn)[1] if size is None else checkpoint_of(conn, size)
    if found is None:
        raise NothingSealed
    return found


def _few(found: list[Record]) -> list[Record]:
    if len(found) > EVENTS_MAX:
        raise TooMuch(f"There are more than {EVENTS_MAX} events; ask for a shorter period.")
    return found


class _Content:
    def __init__(self, records: Records, checkpoint: CheckpointSealed) -> None:
        self._records = records
        self._checkpoint = checkpoint
        self._tree: Tree = tree_at(records.conn, checkpoint.size)
        self._leaves = Leaves(records)

    def content(
        self,
        about: Mapping[str, Any],
        rows: Sequence[Record],
        words: Words,
        steps: Sequence[views.Step],
        *,
        whole: bool,
    ) -> Content:
        covered = [(row, index) for row in rows if (index := self._index(row)) is not None]
        if not covered:
            raise NothingSealed
        bodies = [_event(row.state) for row, _ in covered]
        checkpoint = self._checkpoint
        places = {(row.life, row.offset) for row, _ in covered}
        told = [_told(step, words) for step in steps if step.place in places]
        if not steps:
            told = [_told_plainly(event, words) for event in bodies[:PAGE_STEPS_MAX]]
        return Content(
            about=about,
            whole=whole,
            note=signed_of(checkpoint).note(),
            key=verifier_key(checkpoint.origin, public_key_of(checkpoint)),
            events=[self._proven(row.state, index) for row, index in covered],
            policies=[self._proven(*one) for one in self._policies(bodies)],
            heads=_heads([row for row, _ in covered]),
            steps=told,
        )

    def _index(self, row: Record) -> int | None:
        """Its leaf; None where the checkpoint does not cover it."""
        index = self._leaves.of(row.partition, (row.life, row.offset))
        return index if index is not None and index < self._checkpoint.size else None

    def _proven(self, state: bytes, index: int) -> Proven:
        return Proven(state, index, inclusion_proof(index, self._tree.size, self._tree.node))

    def _policies(self, bodies: Sequence[Any]) -> Iterator[tuple[bytes, int]]:
        """The events that brought into force what these events followed; each once."""
        wanted = {one for body in bodies for one in policies_in(body["data"])}
        wanted |= {(CALENDAR, one) for body in bodies for one in _calendars(body["data"])}
        names = sorted({name for name, _ in wanted})
        rows = self._records.of(names, kinds=[PolicyActivated.type])
        for row in rows:
            data = _event(row.state)["data"]
            index = self._index(row)
            if index is not None and (data["name"], str(data["version"])) in wanted:
                yield row.state, index


def _event(state: bytes) -> Any:
    """An event's JSON; raises NotPlain for bytes that one line of a file could not hold."""
    try:
        event = from_json(state)
        if b"\n" not in state and isinstance(event["data"], dict):
            return event
    except (ValueError, TypeError, KeyError):
        pass
    raise NotPlain


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


def _heads(rows: Sequence[Record]) -> list[dict[str, Any]]:
    last: dict[tuple[str, str], Record] = {}
    for row in rows:
        known = last.get((row.source, row.subject))
        if row.sequence is not None and (known is None or row.sequence > (known.sequence or 0)):
            last[row.source, row.subject] = row
    return [
        {
            "source": source,
            "subject": subject,
            "sequence": row.sequence,
            "digest": row.digest.hex(),
        }
        for (source, subject), row in sorted(last.items())
    ]


# -- as the page tells it -------------------------------------------------------------------------


def _told(step: views.Step, words: Words) -> Told:
    said = words.say(step.type, step.data)
    event = step.cause.event
    return Told(
        time=step.time,
        service=service_of(step.source),
        type=step.type,
        number=step.sequence,
        actor=step.actor,
        channel=channel_of(step.actor, step.data) or "",
        cause=f"{plain(event.type)} · {service_of(event.source)} · {event.sequence}"
        if event
        else led(step.cause),
        policies="; ".join(f"{name} {version}" for name, version in step.policies),
        reason=reason_of(step.type, step.data) or "",
        en=said.en,
        zh=said.zh,
    )


def _told_plainly(event: Mapping[str, Any], words: Words) -> Told:
    kind, actor, data = str(event["type"]), str(event["actor"]), event["data"]
    said = words.say(kind, data)
    return Told(
        time=datetime.fromisoformat(event["time"]),
        service=service_of(str(event["source"])),
        type=kind,
        number=int(event["sequence"]),
        actor=actor,
        channel=channel_of(actor, data) or "",
        cause=str(event["causationid"]),
        policies="; ".join(f"{name} {version}" for name, version in policies_in(data)),
        reason=reason_of(kind, data) or "",
        en=said.en,
        zh=said.zh,
    )
