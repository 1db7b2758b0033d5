"""A body is read strictly: bounded, UTF-8, JSON with one meaning, no control characters."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from email.message import Message
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel
from starlette.requests import Request

from libs.web.problem import BadJson, Fault, InvalidRequest, TooLarge, UnsupportedMedia, fault_at

BODY_BYTES_MAX: Final = 256 * 1024
"""As large as an event may be (DESIGN, The event: Limits)."""

DEPTH_MAX: Final = 32
DIGITS_MAX: Final = 400
"""No figure of ours has more; `int()` of thousands of digits costs the square of their number."""

_ALLOWED_CONTROLS = frozenset("\t\n\r")
TEXT_PATTERN: Final = r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]*$"
"""What every text in a body looks like, as JSON Schema says it.

Lone surrogates are refused too, but tools built on Rust take no pattern that names them.
"""

LINE_PATTERN: Final = r"^[^\u0000-\u001f\u007f]*$"
"""What every text in a path or query looks like."""


async def bounded_body(request: Request, bytes_max: int) -> bytes:
    """The whole body; raises TooLarge as soon as it is known to be over `bytes_max`."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > bytes_max:
        raise TooLarge(f"The body is larger than {bytes_max} bytes; send less.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > bytes_max:
            raise TooLarge(f"The body is larger than {bytes_max} bytes; send less.")
    return bytes(body)


def expect_json(request: Request) -> None:
    """Raises UnsupportedMedia unless the body is announced as JSON in UTF-8."""
    message = Message()
    message["content-type"] = request.headers.get("content-type", "")
    charset = message.get_param("charset") or "utf-8"
    if message.get_content_type() != "application/json" or str(charset).lower() != "utf-8":
        raise UnsupportedMedia


def strict_json(body: bytes) -> Any:
    """The JSON value of `body`.

    Raises BadJson for what RFC 8259 forbids or leaves open (duplicate names, NaN, lone
    surrogates), and for nesting or figures beyond any use.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise BadJson("The body is not UTF-8.") from None
    try:
        return json.loads(
            text,
            object_pairs_hook=_without_duplicates,
            parse_constant=_no_constant,
            parse_int=_bounded_int,
            parse_float=_finite_float,
        )
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        raise BadJson(f"The body is not valid JSON at {place}; correct it.") from None
    except RecursionError:
        raise BadJson(f"The body is nested deeper than {DEPTH_MAX} levels.") from None


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise BadJson("An object of the body has the same name twice; send each name once.")
    return result


def _no_constant(_name: str) -> Any:
    raise BadJson("NaN and Infinity are not JSON; send a number, or null.")


def _bounded_int(digits: str) -> int:
    if len(digits) > DIGITS_MAX:
        raise BadJson(f"A number of the body has more than {DIGITS_MAX} digits.")
    return int(digits)


def _finite_float(digits: str) -> float | int:
    """A number with a point; `9.0` is the whole number 9, as JSON Schema has it (6.3)."""
    number = float(digits) if len(digits) <= DIGITS_MAX else float("inf")
    if number in (float("inf"), float("-inf")):
        raise BadJson("A number of the body is beyond what can be held.")
    return int(number) if number.is_integer() else number


def refuse_control_characters(value: Any) -> None:
    """Raises InvalidRequest naming every text of a JSON value that holds control characters.

    No channel means to send them, no terminal should show them, and PostgreSQL cannot store NUL.
    """
    faults: list[Fault] = []
    for where, text in _texts(value, ("body",)):
        if holds_control_characters(text):
            faults.append(fault_at("control_characters", *where))
    if faults:
        raise InvalidRequest(faults[:50])


def holds_control_characters(text: str, *, one_line: bool = False) -> bool:
    """True for C0 controls, DEL and lone surrogates; tab and new lines pass unless `one_line`."""
    if text.isprintable():
        return False
    return any(
        (char < " " and (one_line or char not in _ALLOWED_CONTROLS))
        or char == "\x7f"
        or "\ud800" <= char <= "\udfff"
        for char in text
    )


def _texts(value: Any, root: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    waiting: list[tuple[tuple[str | int, ...], Any]] = [(root, value)]
    while waiting:
        where, current = waiting.pop()
        if len(where) > DEPTH_MAX:
            raise BadJson(f"The body is nested deeper than {DEPTH_MAX} levels.")
        if isinstance(current, str):
            yield where, current
        elif isinstance(current, dict):
            for name, inner in current.items():
                yield where, name
                waiting.append(((*where, name), inner))
        elif isinstance(current, list):
            waiting.extend(((*where, index), inner) for index, inner in enumerate(current))


_FORMS: Mapping[type, re.Pattern[str]] = {
    datetime: re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)"),
    date: re.compile(r"\d{4}-\d\d-\d\d"),
    UUID: re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"),
}


def refuse_loose_forms(sent: Any, read: Any) -> None:
    """Raises InvalidRequest where pydantic was kinder than the schema (RFC 3339, RFC 9562).

    Even its strict mode takes the text `"5"` for an instant in 1970. `sent` is the JSON value,
    `read` what it was validated to.
    """
    faults = [fault_at(kind, *where) for where, kind in _loose(sent, read, ("body",))]
    if faults:
        raise InvalidRequest(faults[:50])


def _loose(
    sent: Any, read: Any, where: tuple[str | int, ...]
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    form = _FORMS.get(type(read))
    if form is not None and isinstance(sent, str):
        if not form.fullmatch(sent):
            yield where, f"{type(read).__name__.lower()}_parsing"
    elif isinstance(read, BaseModel) and isinstance(sent, dict):
        for name, info in type(read).model_fields.items():
            if (alias := info.alias or name) in sent:
                yield from _loose(sent[alias], getattr(read, name), (*where, alias))
    elif isinstance(read, dict) and isinstance(sent, dict):
        for (name, inner), outcome in zip(sent.items(), read.values(), strict=False):
            yield from _loose(inner, outcome, (*where, name))
    elif isinstance(read, (list, tuple)) and isinstance(sent, list):
        for index, (inner, outcome) in enumerate(zip(sent, read, strict=False)):
            yield from _loose(inner, outcome, (*where, index))


class ReadRequest(Request):
    """A request whose body has been read, bounded and checked; `json()` may be a finished model."""

    raw: bytes = b""
    value: Any = None
    parsed: Any = None

    async def body(self) -> bytes:
        """The bytes as they came."""
        return self.raw

    async def json(self) -> Any:
        """What the route's body parameter is given."""
        return self.value

    def fingerprint(self, actor: str) -> str:
        """SHA-256 of method, path, query, actor and the body's canonical JSON.

        Canonical, because a client that builds its request a second time may order it otherwise.
        """
        body = json.dumps(self.parsed, sort_keys=True, separators=(",", ":")) if self.raw else ""
        parts = (self.method, self.url.path, self.url.query, actor, body)
        return sha256("\n".join(parts).encode()).hexdigest()
