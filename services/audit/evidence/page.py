"""The page of a bundle: the same events for people to read and to print, in both languages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.audit.printing import moment, plain, template

_MARKS = {"clock.met.v1": "met", "clock.breached.v1": "breached", "clock.corrected.v1": ""}
"""Events that say whether a promise was kept, and how the page shows them."""
_ABOUT = {
    "complaint": ("编号", "Id"),
    "receipt": ("受理编号", "Receipt"),
    "from": ("自", "From"),
    "to": ("至(不含)", "To (not included)"),
}


@dataclass(frozen=True, slots=True)
class Told:
    """A step as the page tells it."""

    time: datetime | None
    service: str
    type: str
    number: int | None
    actor: str
    channel: str
    cause: str
    policies: str
    reason: str
    en: str
    zh: str


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    time: str
    service: str
    type: str
    sequence: int | None
    actor: str
    channel: str
    zh: str
    en: str
    cause: str
    policies: str
    reason: str
    mark: str


def page(about: Mapping[str, Any], steps: Sequence[Told], events: int) -> str:
    """An HTML page of its own: no script, nothing fetched. `events` are all that the bundle has."""
    lines = [_line(number, step) for number, step in enumerate(steps, start=1)]
    told = zip(lines, steps, strict=True)
    return template("bundle.html").render(
        about=[(*_ABOUT.get(name, ("", name)), value) for name, value in about.items()],
        events=events,
        promises=[line for line, step in told if step.type in _MARKS],
        steps=lines,
    )


def _line(number: int, step: Told) -> _Line:
    return _Line(
        number=number,
        time=moment(step.time),
        service=step.service,
        type=plain(step.type),
        sequence=step.number,
        actor=step.actor,
        channel=step.channel,
        zh=step.zh,
        en=step.en,
        cause=step.cause,
        policies=step.policies,
        reason=step.reason,
        mark=_MARKS.get(step.type, ""),
    )
