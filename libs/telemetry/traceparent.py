"""The W3C `traceparent` as plain strings, so a trace can be followed with tracing off."""

import re
from typing import NamedTuple
from uuid import UUID

_SHAPE = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})\Z")
_NO_TRACE = "0" * 32
_NO_SPAN = "0" * 16


class Trace(NamedTuple):
    """A parsed `traceparent`: hexadecimal trace (32 digits) and span (16), and the sampled bit."""

    trace: str
    span: str
    sampled: bool


def parse(text: str) -> Trace | None:
    """The trace that `text` names, or None when it is not a version-00 `traceparent`.

    A caller's header is only ever a hint: a malformed one starts a new trace and is no error
    (W3C Trace Context, 4.3).
    """
    found = _SHAPE.match(text)
    if found is None or found[1] == _NO_TRACE or found[2] == _NO_SPAN:
        return None
    return Trace(found[1], found[2], bool(int(found[3], 16) & 1))


def starting_at(cause: UUID) -> str:
    """A new trace whose ids both come from `cause`, so that it is repeatable."""
    return f"00-{cause.hex}-{cause.hex[:16]}-01"


def valid(text: str) -> str:
    """The caller's `traceparent`; empty where it is none."""
    return text if parse(text) is not None else ""


def own_trace(subject: str) -> str:
    """A complaint's own trace, named by its id: whatever nobody else traces belongs there.

    So everything that customers and staff do about one complaint is one trace, found by its id.
    Empty for a subject that is no UUID: its events start traces of their own.
    """
    try:
        return starting_at(UUID(subject))
    except ValueError:
        return ""


def child(traceparent: str, cause: UUID) -> str:
    """The place of `cause` in its parent's trace; a new trace where there is no valid parent."""
    parent = parse(traceparent)
    if parent is None:
        return starting_at(cause)
    return f"00-{parent.trace}-{cause.hex[:16]}-{'01' if parent.sampled else '00'}"
