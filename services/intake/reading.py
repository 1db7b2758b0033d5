"""Channel bytes are read strictly: one meaning, known fields, sane sizes, no future; or refused.

What is wrong is said without a word of what was sent, for refusals stand in the log.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import ValidationError

from contracts.messages import ChannelMessage
from contracts.values import ChannelKind
from libs.web.problem import BadJson, Fault, RequestError, invalid
from libs.web.reading import strict_json

EVENT_BYTES_MAX = 256 * 1024
"""As large as an event may be (DESIGN, The event: Limits)."""

READ_BYTES_MAX = 4 * 1024 * 1024
"""Above this not even source and id are looked for."""

PROBLEM_CHARACTERS_MAX = 500
FAULTS_TOLD_MAX = 5

_TOO_LONG = ("string_too_long", "value_error")
"""Too many characters, or too many bytes: the contract's own check on the words is no other."""

_CHANNELS = {kind.value: kind for kind in ChannelKind}
_SOURCE = re.compile(r"[!-~]{1,200}\Z")
_ID = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,200}\Z")


@dataclass(frozen=True, slots=True)
class Faulty:
    """A message whose sender is known but which is not taken: by which rule, and what to do."""

    source: str
    message: str
    channel: ChannelKind | None
    rule: str
    problem: str
    subscriber: str | None = field(default=None, repr=False)
    """The number it says it is from, if any; never recorded."""


@dataclass(frozen=True, slots=True)
class Unidentified:
    """Bytes that do not even tell which message of whom they are."""

    kind: str
    detail: str


def read(
    value: bytes | None, now: datetime, future_max: timedelta
) -> ChannelMessage | Faulty | Unidentified:
    """The message in these bytes, or why there is none."""
    if value is None:
        return Unidentified("empty", "the record has no value")
    if len(value) > READ_BYTES_MAX:
        return Unidentified("too-large", f"{len(value)} bytes are more than anyone may send")
    try:
        parsed = strict_json(value)
    except BadJson as error:
        return Unidentified("bad-json", error.detail.replace("The body", "The message"))
    if not isinstance(parsed, dict):
        return Unidentified("not-an-object", "the message is JSON, but not an object")
    if not _identified(parsed):
        return Unidentified(
            "unidentified", "`source` and `id` must be texts of 1 to 200 printable characters"
        )
    if len(value) > EVENT_BYTES_MAX:
        problem = f"The message is larger than {EVENT_BYTES_MAX} bytes; send attachments by digest."
        return _faulty(parsed, "message-too-large", problem)
    return _validated(value, parsed, now, future_max)


def _validated(
    value: bytes, parsed: Mapping[str, Any], now: datetime, future_max: timedelta
) -> ChannelMessage | Faulty:
    try:
        message = ChannelMessage.model_validate_json(value, strict=True)
    except ValidationError as error:
        rule, problem = _told(error)
        return _faulty(parsed, rule, problem)
    try:
        at = message.time.astimezone(UTC)
    except OverflowError:
        return _faulty(parsed, "time-implausible", "`time` is outside every calendar; correct it.")
    if at > now + future_max:
        seconds = int(future_max.total_seconds())
        return _faulty(
            parsed,
            "from-the-future",
            f"`time` is more than {seconds} s ahead of our clock; set yours and send it anew.",
        )
    return message


def _identified(parsed: Mapping[str, Any]) -> bool:
    source, identity = parsed.get("source"), parsed.get("id")
    return (
        isinstance(source, str)
        and isinstance(identity, str)
        and _SOURCE.match(source) is not None
        and _ID.match(identity) is not None
    )


def _faulty(parsed: Mapping[str, Any], rule: str, problem: str) -> Faulty:
    data = parsed.get("data")
    channel = data.get("channel") if isinstance(data, dict) else None
    subscriber = data.get("subscriber") if isinstance(data, dict) else None
    return Faulty(
        source=parsed["source"],
        message=parsed["id"],
        channel=_CHANNELS.get(channel) if isinstance(channel, str) else None,
        rule=rule,
        problem=problem[:PROBLEM_CHARACTERS_MAX],
        subscriber=subscriber if isinstance(subscriber, str) else None,
    )


def _told(error: ValidationError) -> tuple[str, str]:
    """The rule and the sentence for a message that does not fit, quoting nothing of it."""
    errors = error.errors(include_url=False)
    if any(one["loc"] == ("data", "text") and one["type"] in _TOO_LONG for one in errors):
        return "text-too-large", "`data.text` is larger than 64 KB; send the rest as evidence."
    fault = invalid([{**one, "loc": _place(one)} for one in errors])
    faults: tuple[Fault, ...] = getattr(fault, "faults", ())
    sentences = [f"{one.where} {one.what}: {one.do}" for one in faults[:FAULTS_TOLD_MAX]]
    more = len(faults) - FAULTS_TOLD_MAX
    if more > 0:
        sentences.append(f"and {more} more")
    return "malformed", "; ".join(sentences) or RequestError.rule


def _place(error: Any) -> tuple[Any, ...]:
    """Where it is wrong; a name that we do not know is the sender's own word, so it is not told."""
    where: tuple[Any, ...] = error["loc"]
    return (*where[:-1], "?") if error["type"] == "extra_forbidden" else where
