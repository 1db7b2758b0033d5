"""Timers that fire once, at their due instant, whatever crashed meanwhile.

A timer due at D fires behind a barrier: now >= D + grace, and this instance has taken its
partition up to the end offset read after that moment. After 15 minutes without a barrier it fires
all the same, marked incomplete (DESIGN, Timers).
"""

import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from prometheus_client import CollectorRegistry, Counter

from libs.decider import DomainError
from libs.eventlog.recorder import ParkedRow
from libs.eventlog.work import TimerStuck, Work
from libs.eventlog.writer import Writer
from libs.messaging.inbox import Inbox, describe
from libs.messaging.notes import note_on

log = logging.getLogger("bihuan.timers")

FIRED_AT_ONCE_MAX = 500
BARRIER_MISSING_MAX = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Due:
    """A timer whose instant has come."""

    kind: str
    subject: str
    name: str
    due: datetime
    partition: int


class Timers:
    """Fires the due timers of the partitions this instance owns."""

    def __init__(self, writer: Writer, inbox: Inbox, registry: CollectorRegistry) -> None:
        self.writer = writer
        self.inbox = inbox
        self._fired = Counter("bihuan_timers_fired", "Timers fired", ["basis"], registry=registry)
        self._stuck = Counter("bihuan_timers_stuck", "Timers dropped: a defect", registry=registry)

    def next_due(self) -> datetime | None:
        """The earliest instant any timer waits for, parked complaints left out."""
        with self.writer.store.connection() as conn:
            row = conn.execute(
                "SELECT min(due) AS due FROM timer WHERE NOT (subject = ANY(%s))",
                (list(self.writer.blocked),),
            ).fetchone()
        return row["due"] if row else None

    def due(self, now: datetime, partitions: Iterable[int]) -> list[Due]:
        """What may fire at `now` once the barrier is passed, earliest first."""
        with self.writer.store.connection() as conn:
            rows = conn.execute(
                "SELECT kind, subject, name, due, partition FROM timer "
                "WHERE due <= %s AND partition = ANY(%s) AND NOT (subject = ANY(%s)) "
                "ORDER BY due, subject, name LIMIT %s",
                (
                    now - self.writer.clock.grace,
                    list(partitions),
                    list(self.writer.blocked),
                    FIRED_AT_ONCE_MAX,
                ),
            ).fetchall()
        return [Due(**row) for row in rows]

    async def tick(
        self,
        in_thread: Callable[..., Awaitable[Any]],
        end_offsets: Callable[[], Awaitable[dict[int, int]]],
        wait_for: Callable[[dict[int, int]], Awaitable[bool]],
    ) -> int:
        """One round: find what is due, pass the barrier, fire; returns how many fired."""
        now = self.writer.clock.now()
        due: list[Due] = await in_thread(self.due, now, tuple(self.inbox.progress))
        if not due:
            return 0
        ends = await end_offsets()
        touched = {one.partition for one in due}
        passed = await wait_for({number: ends[number] for number in touched if number in ends})
        if passed:
            return int(await in_thread(self.fire, due, True))
        overdue = [one for one in due if now - one.due > BARRIER_MISSING_MAX]
        return int(await in_thread(self.fire, overdue, False)) if overdue else 0

    def fire(self, due: list[Due], complete: bool) -> int:
        """Fires these timers, all in one unit of work."""

        def decide(work: Work) -> int:
            by_kind = self.writer.service.by_kind
            self.writer.store.load((by_kind[one.kind], one.subject) for one in due)
            return sum(self._fire(work, one, complete) for one in due)

        fired = self.writer.transact(decide, always=True)
        self._fired.labels("complete" if complete else "incomplete").inc(fired)
        return fired

    def _fire(self, work: Work, one: Due, complete: bool) -> bool:
        mark = work.savepoint()
        try:
            return work.fire(one.kind, one.subject, one.name, one.due, complete)
        except (TimerStuck, DomainError) as error:
            work.rollback_to(mark)
            self._stuck.inc()
            log.error("timer dropped", extra={"timer": one.name, "error": type(error).__name__})
            work.drop_timer(one.kind, one.subject, one.name)
            return False
        except Exception as error:  # noqa: BLE001 - a rule that raises parks its complaint only
            work.rollback_to(mark)
            self._park(work, one, error)
            return False

    def _park(self, work: Work, one: Due, error: Exception) -> None:
        kind, detail = describe(error)
        record = f"timer:{one.name}"
        work.extra.subjects[one.subject] = one.subject in work.blocked
        work.extra.parked.append(
            ParkedRow(
                f"timer:{one.name}"[:200],
                one.partition,
                int(one.due.timestamp() * 1_000_000),
                one.subject,
                self.writer.service.source,
                record[:200],
                "",
                "parked",
                kind,
                detail,
                None,
            )
        )
        event = self.writer.service.housekeeping.record_parked.model_validate(
            {
                "record": record[:200],
                "source": self.writer.service.source,
                "position": "",
                "error": kind,
                "problem": detail,
            }
        )
        note_on(self.writer.service, work, one.subject, event, record[:200])
