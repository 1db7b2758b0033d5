"""The page of a bundle: the same events for people to read and to print, in both languages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.audit.domain.policy import Words
from services.audit.evidence.promises import Promise
from services.audit.printing import moment, plain, template

_OUTCOMES = {
    "met": ("已兑现", "kept"),
    "breached": ("未兑现", "broken"),
    "cancelled": ("已取消", "cancelled"),
    "running": ("计时中", "running"),
    "paused": ("暂停计时", "paused"),
}
"""What became of a promise, in both languages."""
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
    harmed: bool = False
    """It is not as it was sealed."""


@dataclass(frozen=True, slots=True)
class Row:
    """A promise as the page tells it: (Chinese, English) where it is said in words."""

    complaint: str
    name: tuple[str, str]
    cycle: int
    begun: str
    due: str
    outcome: tuple[str, str]
    at: str
    reason: tuple[str, str]
    corrected: str
    was: tuple[str, str]
    mark: str


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


def page(
    about: Mapping[str, Any], steps: Sequence[Told], promises: Sequence[Row], events: int
) -> str:
    """An HTML page of its own: no script, nothing fetched. `events` are all that the bundle has."""
    lines = [_line(number, step) for number, step in enumerate(steps, start=1)]
    return template("bundle.html").render(
        about=[(*_ABOUT.get(name, ("", name)), value) for name, value in about.items()],
        events=events,
        promises=promises,
        several=len({one.complaint for one in promises}) > 1,
        steps=lines,
    )


def row_of(promise: Promise, words: Words) -> Row:
    """A promise in both languages."""
    name = words.name("clock", promise.clock)
    reason = words.name("reason", promise.reason) if promise.reason else None
    more = f" {promise.instance}" if promise.instance else ""
    return Row(
        complaint=promise.complaint,
        name=(name.zh + more, name.en + more),
        cycle=promise.started_in,
        begun=_instant(promise.begun),
        due=_instant(promise.due),
        outcome=_outcome(promise.state),
        at=_instant(promise.at),
        reason=(reason.zh, reason.en) if reason else ("", ""),
        corrected=_instant(promise.corrected),
        was=_outcome(promise.was) if promise.was else ("", ""),
        mark=promise.state,
    )


def _outcome(state: str) -> tuple[str, str]:
    return _OUTCOMES.get(state, (state, state))


def _instant(text: str | None) -> str:
    """An instant of the wire as people read it; what is none, as it stands."""
    try:
        return moment(datetime.fromisoformat(text)) if text else ""
    except ValueError:
        return str(text)


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
        mark="harmed" if step.harmed else "",
    )
