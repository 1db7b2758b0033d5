"""Every error over HTTP is one problem+json (RFC 9457), made here and nowhere else.

What a caller sent is never quoted back: a request may hold personal data, and answers are logged
and stored by others.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from libs.decider import DomainError
from libs.decider.policy import Fault as PolicyFault
from libs.decider.policy import as_read

PROBLEM_MEDIA_TYPE = "application/problem+json"
ERRORS_MAX = 50
"""A request can be wrong in more places than anyone will read."""


class Fault(BaseModel):
    """One thing that is wrong with a request: where, what, and what to do about it."""

    model_config = ConfigDict(extra="forbid")
    where: str = Field(description="a path into the request, e.g. `body.contact.channel`")
    what: str
    do: str


class Where(BaseModel):
    """Where the thing stands that refused it, e.g. `closed`, 已结案, closed."""

    model_config = ConfigDict(extra="forbid")
    code: str = Field(description="for machines")
    zh: str
    en: str


class Problem(BaseModel):
    """An error as RFC 9457 has it, with the rule that said no, in English and Chinese."""

    model_config = ConfigDict(extra="forbid")
    type: str = Field(description="`urn:bihuan:problem:<rule>`")
    title: str
    status: int
    detail: str = Field(description="what is wrong and what to do")
    rule: str = Field(description="the rule's name, for machines")
    zh: str = Field(description="the same in Chinese")
    state: Where | None = Field(None, description="the state that refused it; null where none did")
    errors: list[Fault] = Field(default_factory=list)


class RequestError(DomainError):
    """The request itself is at fault, before any rule of a domain was asked."""

    status = 400
    rule = "bad-request"
    zh = "请求格式有误,请按说明修改后重发"
    headers: ClassVar[Mapping[str, str]] = {}


class InvalidRequest(RequestError):
    """The request does not have the documented shape; each entry of `errors` says what to do."""

    status = 422
    rule = "invalid-request"
    zh = "请求内容不符合要求,请按 errors 逐项修改后重发"

    def __init__(self, faults: Sequence[Fault], detail: str = "") -> None:
        super().__init__(detail)
        self.faults = tuple(faults)


class BadJson(RequestError):
    """The body is not JSON that can be read one way only; send valid UTF-8 JSON (RFC 8259)."""

    rule = "bad-json"
    zh = "请求体不是合法的 JSON"


class NotAuthenticated(RequestError):
    """Send `Authorization: Bearer <token>` with a valid, unexpired token of this installation."""

    status = 401
    rule = "not-authenticated"
    zh = "请提供有效的访问令牌"
    headers: ClassVar[Mapping[str, str]] = {"WWW-Authenticate": 'Bearer realm="bihuan"'}


class NotAllowed(RequestError):
    """None of the caller's roles may do this; ask an administrator for the role."""

    status = 403
    rule = "not-allowed"
    zh = "您的角色无权执行此操作"


class TooLarge(RequestError):
    """The body is larger than this service takes; send less, or attachments by digest."""

    status = 413
    rule = "too-large"
    zh = "请求体过大"


class UnsupportedMedia(RequestError):
    """Send the body as `Content-Type: application/json` in UTF-8."""

    status = 415
    rule = "unsupported-media-type"
    zh = "请以 application/json 发送"


class Unavailable(RequestError):
    """The service cannot take this now; nothing was done. Send the same request again later."""

    status = 503
    rule = "unavailable"
    zh = "服务暂时不可用,请稍后重试"

    def __init__(self, detail: str = "", *, retry_after_s: int = 2) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


def problem_of(error: DomainError) -> Problem:
    """What a caller is told of a refusal: status, rule, detail, both languages, the state."""
    stood = error.standing
    return Problem(
        type=f"urn:bihuan:problem:{error.rule}",
        title=error.rule.replace("-", " ").capitalize(),
        status=error.status,
        detail=error.detail,
        rule=error.rule,
        zh=error.zh,
        state=stood and Where(code=stood.code, zh=stood.zh, en=stood.en),
        errors=[_told(one) for one in getattr(error, "faults", ())][:ERRORS_MAX],
    )


def _told(fault: "Fault | PolicyFault") -> Fault:
    """A fault of the request, or of the policy in it: data of ours, which may be quoted."""
    if isinstance(fault, Fault):
        return fault
    place = [] if fault.line is None else [f"line {fault.line}"]
    place += [as_read(fault.where)] if any(fault.where) else []
    return Fault(where=", ".join(place) or "the policy", what=fault.kind, do=fault.problem)


def answer_of(error: DomainError) -> Response:
    """The refusal as an HTTP answer, with the headers its status asks for."""
    headers = dict(getattr(error, "headers", {}))
    if isinstance(error, Unavailable):
        headers["Retry-After"] = str(error.retry_after_s)
    return Response(
        to_json(problem_of(error)),
        status_code=error.status,
        headers=headers,
        media_type=PROBLEM_MEDIA_TYPE,
    )


async def on_domain_error(_request: Request, error: Exception) -> Response:
    """A rule said no."""
    assert isinstance(error, DomainError)
    return answer_of(error)


async def on_validation_error(_request: Request, error: Exception) -> Response:
    """The request does not fit the documented shape."""
    assert isinstance(error, RequestValidationError)
    return answer_of(invalid(error.errors()))


_BY_STATUS: dict[int, tuple[str, str, str]] = {
    400: ("bad-request", RequestError.zh, "The request cannot be read."),
    404: ("not-found", "没有找到", "There is no such resource; see the service's OpenAPI."),
    405: ("method-not-allowed", "不支持此方法", "This resource does not take this method."),
    413: (TooLarge.rule, TooLarge.zh, "The body is larger than this service takes."),
    415: (UnsupportedMedia.rule, UnsupportedMedia.zh, "Send the body as application/json."),
}


async def on_http_exception(_request: Request, error: Exception) -> Response:
    """What the framework itself refuses: no such path, no such method."""
    assert isinstance(error, HTTPException)
    rule, zh, detail = _BY_STATUS.get(error.status_code, ("http-error", "请求失败", "Refused."))
    problem = Problem(
        type=f"urn:bihuan:problem:{rule}",
        title=rule.replace("-", " ").capitalize(),
        status=error.status_code,
        detail=detail,
        rule=rule,
        zh=zh,
    )
    return Response(
        to_json(problem),
        status_code=error.status_code,
        headers=dict(error.headers or {}),
        media_type=PROBLEM_MEDIA_TYPE,
    )


def unexpected(trace: str) -> Response:
    """A fault of ours: the answer says nothing but the trace to ask about."""
    problem = Problem(
        type="urn:bihuan:problem:internal",
        title="Internal error",
        status=500,
        detail=f"A fault on our side; it was recorded. Quote trace {trace} when you report it.",
        rule="internal",
        zh=f"系统内部错误,已记录。反馈时请提供追踪号 {trace}",
    )
    return Response(to_json(problem), status_code=500, media_type=PROBLEM_MEDIA_TYPE)


# -- validation errors, told without quoting ------------------------------------------------------

_SAFE_NAME = re.compile(r"[A-Za-z_][A-Za-z_.-]{0,39}[0-9]{0,2}\Z")

_TOLD: Mapping[str, tuple[str, str]] = {
    "missing": ("is required but missing", "add it"),
    "extra_forbidden": ("is not a known field", "remove it, or check its spelling"),
    "string_too_short": ("is too short", "send at least {min_length} character(s)"),
    "string_too_long": ("is too long", "send at most {max_length} character(s)"),
    "string_pattern_mismatch": ("does not have the required form", "match the pattern {pattern}"),
    "too_short": ("has too few entries", "send at least {min_length}"),
    "too_long": ("has too many entries", "send at most {max_length}"),
    "greater_than": ("is too small", "send more than {gt}"),
    "greater_than_equal": ("is too small", "send at least {ge}"),
    "less_than": ("is too large", "send less than {lt}"),
    "less_than_equal": ("is too large", "send at most {le}"),
    "multiple_of": ("is not a multiple", "send a multiple of {multiple_of}"),
    "enum": ("is not one of the known values", "send one of {expected}"),
    "literal_error": ("is not one of the known values", "send one of {expected}"),
    "union_tag_invalid": ("names an unknown kind", "send one of {expected_tags}"),
    "union_tag_not_found": ("does not say its kind", "set {discriminator}"),
    "timezone_aware": ("has no time zone", "send an instant with offset, e.g. ending in Z"),
    "decimal_max_places": ("has too many decimals", "send at most {decimal_places} decimals"),
    "decimal_max_digits": ("has too many digits", "send at most {max_digits} digits"),
    "finite_number": ("is not a finite number", "send a finite number"),
    "control_characters": ("holds control characters", "remove them; tab and new lines are fine"),
    "repeated": ("is given more than once", "send it once"),
    "no_body": ("is given, but this request takes no body", "send no body"),
}

_EXPECTED = (
    ("uuid", "a UUID such as 123e4567-e89b-12d3-a456-426614174000"),
    ("datetime", "an instant as RFC 3339 has it, with offset, e.g. 2025-10-09T01:00:00Z"),
    ("timezone", "an instant with its offset"),
    ("date", "a date such as 2025-10-09"),
    ("time", "a time such as 09:00:00"),
    ("decimal", "a decimal number as text, e.g. 12.50"),
    ("bool", "true or false"),
    ("int", "a whole number"),
    ("float", "a number"),
    ("string", "a text"),
    ("list", "a list"),
    ("tuple", "a list"),
    ("set", "a list without repetition"),
    ("dict", "an object"),
    ("model", "an object"),
    ("none", "null"),
)


def invalid(errors: Iterable[Mapping[str, Any]]) -> RequestError:
    """Pydantic's errors as `InvalidRequest`, saying where, what and what to do, quoting nothing."""
    faults: list[Fault] = []
    for error in errors:
        if error["type"] == "json_invalid":
            return BadJson()
        fault = _fault(error)
        if fault not in faults:
            faults.append(fault)
        if len(faults) == ERRORS_MAX:
            break
    if [fault.where for fault in faults] == ["header.Idempotency-Key"]:
        return KeyRequired(faults)
    return InvalidRequest(faults)


class KeyRequired(RequestError):
    """A command needs an `Idempotency-Key`: 1 to 255 visible ASCII characters, new per command."""

    rule = "idempotency-key-required"
    zh = "命令必须携带 Idempotency-Key(1-255 个可见 ASCII 字符),重试时请沿用原值"

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__()
        self.faults = tuple(faults)


def fault_at(kind: str, *where: str | int) -> Fault:
    """A fault of a kind that our own checks find (`control_characters`, `repeated` ...)."""
    return _fault({"type": kind, "loc": where})


def _fault(error: Mapping[str, Any]) -> Fault:
    kind = str(error["type"])
    where = ".".join(_step(step) for step in error["loc"]) or "body"
    if kind == "value_error":
        return _authored(where, error)
    if kind in _TOLD:
        what, do = _TOLD[kind]
        context = {name: str(value) for name, value in (error.get("ctx") or {}).items()}
        return Fault(where=where, what=what, do=do.format_map(_Constraints(context)))
    for prefix, expected in _EXPECTED:
        if kind.startswith(prefix):
            return Fault(where=where, what="has the wrong type or form", do=f"send {expected}")
    return Fault(where=where, what="is not acceptable", do="see the OpenAPI schema of this request")


class _Constraints(dict[str, str]):
    """Constraint values for a sentence; one that pydantic leaves out is not an error."""

    def __missing__(self, key: str) -> str:
        return "what the OpenAPI schema says"


def _step(step: object) -> str:
    if isinstance(step, int):
        return str(step)
    text = "Idempotency-Key" if step == "idempotency-key" else str(step)
    return text if _SAFE_NAME.match(text) else "(a name that is not shown)"


def _authored(where: str, error: Mapping[str, Any]) -> Fault:
    """A validator's own words, unless they quote what was sent."""
    words = str((error.get("ctx") or {}).get("error", ""))
    if not words or any(_quotes(words, leaf) for leaf in _leaves(error.get("input"))):
        words = "breaks a rule of this request"
    return Fault(where=where, what=words, do="see the OpenAPI schema of this request")


def _quotes(words: str, leaf: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(leaf)}(?!\w)", words) is not None


def _leaves(value: object) -> Iterable[str]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if not _SAFE_NAME.match(str(name)):
                yield str(name)
            yield from _leaves(inner)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for inner in value:
            yield from _leaves(inner)
    elif isinstance(value, BaseModel):
        yield from _leaves(dict(value))
    elif value is not None and str(value):
        yield str(value)
