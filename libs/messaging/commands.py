"""What the runtime does for HTTP routes: decide and commit a command, once per Idempotency-Key."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

from pydantic_core import to_json

from libs.decider import DomainError, Recorded, To
from libs.eventlog.envelope import Origin
from libs.eventlog.work import Work
from libs.eventlog.writer import ComplaintParked, Writer
from libs.web.commands import Answer, KeyReused, Outcome, Target, Telling, decided, refusal_of

KEPT = timedelta(hours=24)
"""Idempotency-Key outcomes live in the command's transaction, outside rebuild (DESIGN, Inbox)."""


class RuntimeCommands:
    """`libs.web.commands.Commands` on a Writer."""

    def __init__(self, writer: Writer, in_thread: Callable[..., Awaitable[Any]]) -> None:
        self._writer = writer
        self._in_thread = in_thread

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
        """See `Commands.submit`."""
        attempt = _Attempt(self._writer, to, actor, key, fingerprint, traceparent, tell)
        outcome: Outcome = await self._in_thread(self._writer.transact, attempt)
        if attempt.refusal is not None:
            raise attempt.refusal
        return outcome


class _Attempt:
    """One command; called again when what it rested on moved."""

    def __init__(
        self,
        writer: Writer,
        to: Target,
        actor: str,
        key: str | None,
        fingerprint: str,
        traceparent: str,
        tell: Telling,
    ) -> None:
        self._writer = writer
        self._to = to
        self._origin = Origin(
            causation=f"key:{key}" if key else "request", actor=actor, traceparent=traceparent
        )
        self._key = key
        self._fingerprint = fingerprint
        self._tell = tell
        self.refusal: DomainError | None = None

    def __call__(self, work: Work) -> Outcome:
        self.refusal = None
        if self._key is not None:
            known = self._writer.store.outcome(self._key, self._origin.actor)
            if known is not None:
                return self._first(known)
        mark = work.savepoint()
        try:
            subject, recorded = self._apply(work)
        except DomainError as refusal:
            if self._key is None or not decided(refusal):
                raise
            work.rollback_to(mark)
            answer = refusal_of(refusal)
            self._keep(work, self._key, answer)
            self.refusal = refusal
            return Outcome(answer, "")
        answer = self._tell(subject, recorded)
        if self._key is not None:
            self._keep(work, self._key, answer)
        return Outcome(answer, subject, tuple(recorded))

    def _apply(self, work: Work) -> tuple[str, list[Recorded[Any]]]:
        targets = self._targets(work)
        recorded: list[Recorded[Any]] = []
        for to in targets:
            if to.subject in work.blocked:
                raise ComplaintParked
            recorded += work.apply(to, self._origin)
        return (targets[0].subject if targets else ""), recorded

    def _targets(self, work: Work) -> Sequence[To]:
        if isinstance(self._to, To):
            return (self._to,)
        return tuple(self._to(work)) if callable(self._to) else tuple(self._to)

    def _first(self, known: Any) -> Outcome:
        if known["fingerprint"] != self._fingerprint:
            raise KeyReused
        kept = known["outcome"]
        return Outcome(
            Answer(kept["status"], kept["body"].encode()), kept["subject"], replayed=True
        )

    def _keep(self, work: Work, key: str, answer: Answer) -> None:
        kept = to_json({"status": answer.status, "body": answer.body.decode(), "subject": ""})
        work.extra.outcomes.append(
            (key, self._origin.actor, self._fingerprint, kept.decode(), work.now + KEPT)
        )
