"""What the runtime does for HTTP routes: decide and commit a command, once per Idempotency-Key."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from eventsourcing.persistence import InterfaceError, OperationalError
from pydantic_core import from_json, to_json

from libs.decider import DomainError, Recorded, To
from libs.eventlog.envelope import Origin
from libs.eventlog.moved import Moved
from libs.eventlog.work import Work
from libs.eventlog.writer import Busy, ComplaintParked, Unreachable, Writer
from libs.web.commands import Answer, KeyReused, Outcome, Target, Telling, decided, refusal_of

TOGETHER_MAX = 100
KEPT = timedelta(hours=24)
"""Idempotency-Key outcomes live in the command's transaction, outside rebuild (DESIGN, Inbox)."""


class RuntimeCommands:
    """`libs.web.commands.Commands` on a Writer.

    Commands that wait while another commits are decided and committed together, each within a
    savepoint of its own: one refused or faulty takes nothing from the others. A commit costs as
    much as deciding fifty commands, so one each was what limited the whole system.
    """

    def __init__(self, writer: Writer, in_thread: Callable[..., Awaitable[Any]]) -> None:
        self._writer = writer
        self._in_thread = in_thread
        self._waiting: deque[_Attempt] = deque()

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
        self._waiting.append(attempt)
        try:
            await self._in_thread(self._see_to, attempt)
        except asyncio.CancelledError:
            attempt.done = True  # nobody waits for it any more: not to be begun
            raise
        return attempt.result()

    def _see_to(self, attempt: "_Attempt") -> None:
        """In the writer's thread: whatever waits, until this one is done."""
        while not attempt.done:
            batch = [self._waiting.popleft() for _ in range(min(TOGETHER_MAX, len(self._waiting)))]
            batch = [one for one in batch if not one.done]
            try:
                self._together(batch)
            except (Unreachable, Busy) as error:  # not one of them can be done now
                for one in batch:
                    one.error, one.done = error, True
            except Exception:  # noqa: BLE001 - one may hold what the database refuses: find it
                for one in batch:
                    self._alone(one)

    def _together(self, batch: Sequence["_Attempt"]) -> None:
        def decide(work: Work) -> None:
            self._prefetch(batch, work)
            for one in batch:
                one.run(work)

        self._writer.transact(decide)
        for one in batch:
            one.done = True

    def _alone(self, attempt: "_Attempt") -> None:
        try:
            self._together([attempt])
        except Exception as error:  # noqa: BLE001 - raised where it is waited for
            attempt.error, attempt.done = error, True

    def _prefetch(self, batch: Sequence["_Attempt"], work: Work) -> None:
        """Reads in bulk what was done already, and the streams that are known to be needed."""
        store = self._writer.store
        known = store.outcomes([one.identity for one in batch if one.identity is not None])
        by_command = work.service.by_command
        wanted = []
        for one in batch:
            one.known = known.get(one.identity) if one.identity is not None else None
            to = one.to
            if one.known is None and isinstance(to, To) and type(to.command) in by_command:
                wanted.append((by_command[type(to.command)], to.subject))
        store.load(wanted)


class _Attempt:
    """One command; run again when what it, or one beside it, rested on moved."""

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
        self.to = to
        self.identity = (key, actor) if key is not None else None
        self.known: Any = None
        self.done = False
        self.error: Exception | None = None
        self._outcome: Outcome | None = None
        self._writer = writer
        self._origin = Origin(
            causation=f"key:{key}" if key else "request", actor=actor, traceparent=traceparent
        )
        self._key = key
        self._fingerprint = fingerprint
        self._tell = tell

    def result(self) -> Outcome:
        """What came of it; raises the refusal, or what went wrong."""
        if self.error is not None:
            raise self.error
        assert self._outcome is not None
        return self._outcome

    def run(self, work: Work) -> None:
        """Decides it within this unit; what it raises is kept for who waits for it."""
        self.error = self._outcome = None
        mark = work.savepoint()
        try:
            self._outcome = self._decide(work)
        except (Moved, OperationalError, InterfaceError):
            raise
        except DomainError as refusal:
            work.rollback_to(mark)
            self.error = refusal
            if self._key is not None and self.known is None and decided(refusal):
                self._keep(work, self._key, refusal_of(refusal))
        except Exception as error:  # noqa: BLE001 - our own fault: a 500 for this one, not for all
            work.rollback_to(mark)
            self.error = error

    def _decide(self, work: Work) -> Outcome:
        if self._key is not None:
            known = self.known or _beside(work, self._key, self._origin.actor)
            if known is not None:
                self.known = known
                return self._first(known)
        subject, recorded = self._apply(work)
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
        if isinstance(self.to, To):
            return (self.to,)
        return tuple(self.to(work)) if callable(self.to) else tuple(self.to)

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


def _beside(work: Work, key: str, actor: str) -> Mapping[str, Any] | None:
    """The same command, decided within this very unit."""
    for known, by, fingerprint, outcome, _ in work.extra.outcomes:
        if (known, by) == (key, actor):
            return {"fingerprint": fingerprint, "outcome": from_json(outcome)}
    return None
