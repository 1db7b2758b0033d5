"""The bridge from a route to the runtime: one command in, the events it led to out, once per key.

**Which outcome a repeated key returns.** The first: its status and its body, byte for byte. That
is what issue 3 asks ("repeating one returns the first outcome") and what users of Stripe's API rely
on. Kept are successes and what a rule decided (409, 412, 422 out of `decide`); not kept is what was
never decided, so that a retry may still succeed: a request that is not well formed, not allowed or
too large, a stream that does not exist yet (404: it may still be under way in the log), and 503.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, Protocol
from uuid import UUID

from fastapi import Depends, Header, Request
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json
from starlette.responses import Response

from libs.decider import Conflict, DomainError, Lookups, Recorded, Refused, Stale, To
from libs.decider.decider import Instant
from libs.telemetry import traceparent
from libs.web.access import allow
from libs.web.auth import Caller
from libs.web.problem import PROBLEM_MEDIA_TYPE, RequestError, problem_of
from libs.web.reading import ReadRequest

REPLAYED_HEADER: Final = "Idempotency-Replayed"

IdempotencyKey = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="new for every command, the same when one is repeated (visible ASCII)",
    ),
]


class KeyReused(RequestError):
    """This Idempotency-Key was used for another request; choose a new one."""

    status = 422
    rule = "idempotency-key-reused"
    zh = "该 Idempotency-Key 已用于另一请求,请更换"


class KeyInUse(RequestError):
    """A request with this Idempotency-Key is being worked on; repeat it in a moment."""

    status = 409
    rule = "idempotency-key-in-use"
    zh = "相同 Idempotency-Key 的请求正在处理,请稍后重试"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the caller of a command was told, as it is kept: a status and a JSON body."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a command: the answer, and the events it led to (none when replayed).

    `subject` is that of the stream it went to; of the first, if there were several.
    """

    answer: Answer
    subject: str
    events: tuple[Recorded[Any], ...] = ()
    replayed: bool = False


Target = To | Sequence[To] | Callable[[Lookups], Sequence[To]]
"""A command and its stream, several that stand or fall together, or a choice made by reading."""

Telling = Callable[[str, Sequence[Recorded[Any]]], Answer]
"""(subject, events) -> what to tell the caller; called once, inside the command's transaction."""


class Commands(Protocol):
    """What the runtime does for the routes."""

    async def submit(
        self,
        to: Target,
        *,
        actor: str,
        key: str | None,
        fingerprint: str,
        traceparent: str,
        tell: Telling,
    ) -> Outcome:
        """Decide and commit; with a key: once, keeping the answer in the same transaction (24 h).

        - The same key and fingerprint again: the first answer, `replayed`.
        - The same key, another fingerprint: raises KeyReused.
        - A refusal that `decided` is kept as `refusal_of(error)`, then raised; its repetition
          returns that answer, `replayed`.
        - Raises DomainError for a refusal, Unavailable when it cannot be taken now.
        """
        ...


def decided(refusal: DomainError) -> bool:
    """True for a refusal that a rule decided on a stream's state, which its key keeps."""
    return isinstance(refusal, (Conflict, Refused, Stale)) and not refusal.passing


def refusal_of(refusal: DomainError) -> Answer:
    """A refusal as it is kept with its key."""
    return Answer(refusal.status, to_json(problem_of(refusal)))


class Happened(BaseModel):
    """One event that a command led to."""

    model_config = ConfigDict(extra="forbid")
    type: str = Field(description="name and version, e.g. `work.accepted.v1`")
    id: UUID
    sequence: int = Field(ge=1, description="its place in its stream")
    time: Instant


class Done(BaseModel):
    """What a command led to; no events means it had already been done."""

    model_config = ConfigDict(extra="forbid")
    subject: str
    events: list[Happened]


def tell_events(status: int) -> Telling:
    """The usual answer of a command: its subject and its events."""

    def tell(subject: str, events: Sequence[Recorded[Any]]) -> Answer:
        happened = [
            Happened(type=one.type, id=one.id, sequence=one.sequence, time=one.time)
            for one in events
        ]
        return Answer(status, to_json(Done(subject=subject, events=happened)))

    return tell


@dataclass(frozen=True, slots=True)
class Ask:
    """One caller's command: who asks, when, under which key; call it with where it goes.

    `await ask(To(subject, Accept(at=ask.now, ...)))` decides, commits and answers.
    """

    request: ReadRequest
    caller: Caller
    key: str

    @property
    def now(self) -> datetime:
        """The domain's present: the `at` of a command that nobody dates otherwise."""
        now: Callable[[], datetime] = self.request.app.state.now
        return now()

    async def __call__(
        self, to: Target, *, status: int = 200, tell: Telling | None = None
    ) -> Response:
        """Submit `to`; the answer is `Done`, or what `tell` makes of the events."""
        commands: Commands = self.request.app.state.commands
        outcome = await commands.submit(
            to,
            actor=self.caller.actor,
            key=self.key,
            fingerprint=self.request.fingerprint(self.caller.actor),
            traceparent=traceparent.valid(self.request.headers.get("traceparent", "")),
            tell=tell or tell_events(status),
        )
        return response_of(outcome)


def response_of(outcome: Outcome) -> Response:
    """An outcome over HTTP; a repeated one says so in a header and is otherwise the same."""
    failed = outcome.answer.status >= 400
    return Response(
        outcome.answer.body,
        status_code=outcome.answer.status,
        media_type=PROBLEM_MEDIA_TYPE if failed else "application/json",
        headers={REPLAYED_HEADER: "true"} if outcome.replayed else None,
    )


def command(action: str) -> Any:
    """Declares a command's action and gives `Ask`: `ask: Annotated[Ask, command("a.b")]`."""
    permitted = allow(action)

    async def asked(
        request: Request, caller: Annotated[Caller, permitted], key: IdempotencyKey
    ) -> Ask:
        assert isinstance(request, ReadRequest)
        return Ask(request, caller, key)

    return Depends(asked)
