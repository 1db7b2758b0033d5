"""The one byte form of an event: a CloudEvents 1.0 JSON object, made once and copied ever after.

The bytes made here are stored, published and archived unchanged, so that a SHA-256 taken at the
source can be checked anywhere (DESIGN, The event).
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid5

from pydantic import ValidationError
from pydantic_core import from_json, to_json

from libs.decider import Event, Recorded
from libs.decider.decider import wire_instant
from libs.telemetry.traceparent import child, own_trace

GENESIS = "0" * 64
"""`previous` of a stream's first event."""

STREAMS = UUID("3a4c0f5e-7b0d-5a52-8d0e-0c9f2a1be701")
"""Namespace of everything this project names by UUIDv5."""

EVENT_BYTES_MAX = 256 * 1024

FAULTS_TOLD_MAX = 10


class Unreadable(ValueError):
    """These bytes are not an event of ours; `kind` says why for machines, never quoting them."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Origin:
    """What led to an event: its cause's id, who asked, and the trace it belongs to."""

    causation: str
    actor: str
    traceparent: str = ""


def originator(kind: str, subject: str, *, subject_is_id: bool) -> UUID:
    """The stream's id in its service's store: the subject itself, or UUIDv5(kind:subject)."""
    return UUID(subject) if subject_is_id else uuid5(STREAMS, f"{kind}:{subject}")


def event_id(source: str, subject: str, sequence: int) -> UUID:
    """Deterministic, so that a retry makes the same event (DESIGN, The event)."""
    return uuid5(STREAMS, f"{source}|{subject}|{sequence}")


def digest(state: bytes) -> str:
    """SHA-256 of an event's bytes, as the next event's `previous` has it."""
    return sha256(state).hexdigest()


def encode(
    event: Event,
    *,
    source: str,
    subject: str,
    sequence: int,
    previous: str,
    time: datetime,
    origin: Origin,
) -> tuple[bytes, Recorded[Any]]:
    """The event's bytes, and the same as the domain reads it."""
    identity = event_id(source, subject, sequence)
    trace = child(origin.traceparent or own_trace(subject), identity)
    # Not getattr: a miss costs pydantic 17 microseconds.
    occurred: datetime | None = event.__dict__.get("occurred_at")
    envelope: dict[str, Any] = {
        "specversion": "1.0",
        "id": str(identity),
        "source": source,
        "type": event.type,
        "subject": subject,
        "time": wire_instant(time),
    }
    if occurred is not None:
        envelope["occurredat"] = wire_instant(occurred)
    envelope |= {
        "datacontenttype": "application/json",
        "sequence": str(sequence),
        "previous": previous,
        "causationid": origin.causation,
        "actor": origin.actor,
        "traceparent": trace,
    }
    state = (
        to_json(envelope)[:-1] + b',"data":' + event.__pydantic_serializer__.to_json(event) + b"}"
    )
    if len(state) > EVENT_BYTES_MAX:
        raise ValueError(f"{event.type} of {len(state)} bytes is above {EVENT_BYTES_MAX}")
    recorded = Recorded(
        id=identity,
        source=source,
        type=event.type,
        subject=subject,
        time=time,
        sequence=sequence,
        actor=origin.actor,
        data=event,
        causation=origin.causation,
        occurred=occurred,
        traceparent=trace,
    )
    return state, recorded


def decode(state: bytes, types: Mapping[str, type[Event]]) -> Recorded[Any]:
    """An event from its bytes; raises Unreadable, whose text never quotes the content."""
    try:
        envelope = from_json(state)
    except ValueError as error:
        raise Unreadable("bad-json", "not a JSON object") from error
    if not isinstance(envelope, dict):
        raise Unreadable("bad-json", "not a JSON object")
    kind = envelope.get("type")
    known = types.get(kind) if isinstance(kind, str) else None
    if known is None:
        raise Unreadable("unknown-version", "no event of this type and version is known here")
    try:
        occurred = envelope.get("occurredat")
        return Recorded(
            id=UUID(envelope["id"]),
            source=envelope["source"],
            type=str(kind),
            subject=envelope["subject"],
            time=_instant(envelope["time"]),
            sequence=int(envelope["sequence"]),
            actor=envelope["actor"],
            data=known.__pydantic_validator__.validate_python(envelope["data"]),
            causation=envelope["causationid"],
            occurred=None if occurred is None else _instant(occurred),
            traceparent=envelope.get("traceparent", ""),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise Unreadable("bad-envelope", f"lacks {type(error).__name__}") from None
    except ValueError as error:
        detail = "a field has a wrong form"
        if isinstance(error, ValidationError):
            detail = _faults(known, error)
        raise Unreadable("bad-body", detail) from None


def _faults(known: type[Event], error: ValidationError) -> str:
    """Where a body is wrong and how, by names of our own: any other is the sender's own word."""
    ours = frozenset(_names(known.model_json_schema()))
    told = {
        f"{'.'.join(_step(step, ours) for step in one['loc'])}: {one['type']}"
        for one in error.errors(include_url=False, include_input=False, include_context=False)
    }
    return "; ".join(sorted(told)[:FAULTS_TOLD_MAX])


def _step(step: int | str, ours: Collection[str]) -> str:
    return str(step) if isinstance(step, int) or step in ours else "?"


def _names(schema: Any) -> Iterator[str]:
    """The names of all fields in a JSON schema, at any depth."""
    if isinstance(schema, dict):
        if isinstance(fields := schema.get("properties"), dict):
            yield from fields
        schema = list(schema.values())
    if isinstance(schema, list):
        for inner in schema:
            yield from _names(inner)


def _instant(text: str) -> datetime:
    if len(text) != 27 or text[-1] != "Z":
        raise ValueError("an instant is UTC with microseconds and Z")
    return datetime.fromisoformat(text[:-1]).replace(tzinfo=UTC)
