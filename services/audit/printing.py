"""A complaint's timeline as a page to print: every step in both languages, and what led to what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from libs.decider import Refused
from libs.messaging.app import App
from libs.web import Caller, Router, allow
from services.audit import views
from services.audit.cold.records import Reading
from services.audit.domain.graph import COLOURS, LANES, Node, pieces
from services.audit.domain.policy import WORDS, Words
from services.audit.domain.telling import channel_of, reason_of
from services.audit.gone import absent

SHANGHAI = ZoneInfo("Asia/Shanghai")
STEPS_MAX = 2_000
REASONS = ("reason", "cause", "trigger")
"""The fields that a reason may come from (domain/telling.py)."""

_OUTSIDE: Mapping[views.CauseKind, str] = {
    views.CauseKind.MESSAGE: "渠道消息 channel message",
    views.CauseKind.COMMAND: "请求 request",
    views.CauseKind.TIMER: "定时器 timer",
    views.CauseKind.OPERATOR: "运维 operator",
    views.CauseKind.SEED: "首次启动 first start",
    views.CauseKind.RECORD: "日志记录 record",
    views.CauseKind.OTHER: "其他 other",
}


class TooManySteps(Refused):
    """The complaint has more steps than a page holds; read them as JSON, in pages."""

    rule = "too-many-steps"
    zh = "步骤过多,请分页读取"


def routes(app: App, reading: Reading) -> Sequence[Router]:
    """The printable page."""
    router = Router(tags=["timeline"])

    @router.get(
        "/complaints/{complaint}/timeline.html",
        response_class=Response,
        responses={200: {"content": {"text/html": {}}}},
    )
    async def page(
        complaint: UUID, _caller: Annotated[Caller, allow("audit.timeline")]
    ) -> Response:
        """Everything that happened to a complaint, for a printer; no personal data in it."""
        steps = await reading.query(views.timeline, complaint, None, STEPS_MAX)
        about = await app.query(views.about, complaint)
        if not steps:
            raise await app.query(absent, complaint)
        if len(steps) > STEPS_MAX:
            raise TooManySteps
        words: Words = app.writer.policies.in_force(WORDS, app.clock.now()).compiled
        text = render(complaint, about or {}, steps, words, app.clock.now())
        return Response(text, media_type="text/html; charset=utf-8")

    return (router,)


def render(
    complaint: UUID,
    about: Mapping[str, Any],
    steps: Sequence[views.Step],
    words: Words,
    now: datetime,
) -> str:
    """The page as HTML; the same steps give the same bytes, but for `now`."""
    numbers = {
        (step.source, str(complaint), step.sequence): number
        for number, step in enumerate(steps, start=1)
    }
    lines = [_line(number, step, numbers, words) for number, step in enumerate(steps, start=1)]
    nodes = [
        Node(one.number, one.service, one.type, one.cause, one.led, one.missing) for one in lines
    ]
    return template("timeline.html").render(
        complaint=str(complaint),
        receipt=about.get("receipt"),
        registered_at=moment(about.get("registered_at")),
        closed_at=moment(about.get("closed_at")),
        history=bool(about.get("history")),
        now=moment(now),
        steps=lines,
        lanes=list(zip(LANES, COLOURS, strict=True)),
        graph=pieces(nodes),
    )


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    time: str
    occurred: str
    service: str
    type: str
    actor: str
    channel: str
    zh: str
    en: str
    cause: int | None
    led: str
    missing: bool
    policies: str
    reason: str


def _line(
    number: int,
    step: views.Step,
    numbers: Mapping[tuple[str, str, int | None], int],
    words: Words,
) -> _Line:
    event, said = step.cause.event, words.say(step.type, step.data)
    cause = None if event is None else numbers.get((event.source, event.subject, event.sequence))
    return _Line(
        number=number,
        time=moment(step.time),
        occurred=moment(step.occurred),
        service=service_of(step.source),
        type=plain(step.type),
        actor=step.actor,
        channel=both(words, channel_of(step.actor, step.data), "channel"),
        zh=said.zh,
        en=said.en,
        cause=cause,
        led=led(step.cause),
        missing=step.cause.kind is views.CauseKind.EVENT and event is None,
        policies="; ".join(f"{name} {version}" for name, version in step.policies),
        reason=both(words, reason_of(step.type, step.data), *REASONS),
    )


def led(cause: views.Cause) -> str:
    """What led to a step, for people."""
    if cause.event is not None:
        return f"{plain(cause.event.type)} ({cause.event.subject[:8]})"
    if cause.kind is views.CauseKind.EVENT:
        return cause.ref
    return f"{_OUTSIDE[cause.kind]}: {cause.ref}"


def both(words: Words, code: str | None, *fields: str) -> str:
    """What a code of such a field is called, Chinese first; a code without a name as it stands."""
    if code is None:
        return ""
    for said in (words.name(field, code) for field in fields):
        if said.zh != said.en:
            return f"{said.zh} {said.en}"
    return code


def service_of(source: str) -> str:
    """The service that a source names."""
    return source.rpartition("/")[2]


def plain(kind: str) -> str:
    """An event's type without its version."""
    return kind.rsplit(".v", 1)[0]


def moment(at: datetime | None) -> str:
    """An instant as people in Shanghai read it, to the microsecond; empty for none."""
    return "" if at is None else f"{at.astimezone(SHANGHAI):%Y-%m-%d %H:%M:%S.%f}"


@cache
def template(name: str) -> Template:
    """One of `pages/`; what is put into it is escaped."""
    folder = Path(__file__).parent / "pages"
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    return environment.get_template(name)
