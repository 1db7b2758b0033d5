"""The one way anything is recorded: decide against what is known, commit, decide again if it moved.

Inbox batches, API commands, channel messages and timers share this writer and its lock, so within
an instance they come one after another; between instances the database decides (Moved).
"""

import threading
import time
from collections import Counter as Tally
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import psycopg
import psycopg_pool
from eventsourcing.persistence import InterfaceError, OperationalError
from prometheus_client import CollectorRegistry, Counter, Histogram

from libs.decider import Conflict, DomainError, Policies, Recorded
from libs.eventlog.half_made import refuse_half_made
from libs.eventlog.moved import Moved
from libs.eventlog.policies import ActivatePolicy
from libs.eventlog.recorder import Overtaken, Unit
from libs.eventlog.service import Service
from libs.eventlog.store import Store
from libs.eventlog.work import Work
from libs.timekeeping.clock import Clock

ATTEMPTS_MAX = 20

T = TypeVar("T")


class Busy(Exception):
    """So many writers came first that this decision was given up; try again."""


class Unreachable(Exception):
    """The database cannot be reached, or died during the commit: look before trying again."""


UNAVAILABLE: tuple[type[Exception], ...] = (
    Unreachable,
    Busy,
    OperationalError,
    InterfaceError,
    psycopg.OperationalError,
    psycopg_pool.PoolTimeout,
)
"""What means "not now": 503 with Retry-After."""


class ComplaintParked(Conflict):
    """A record of this complaint could not be taken; its work waits until that is settled."""

    rule = "complaint-parked"
    zh = "该投诉有一条记录待人工处理,暂不能操作"


OnCommit = Callable[[Sequence[Recorded[Any]], float], None]
"""Told of every event just committed, and when its decision began: the relay wakes, spans go."""


class Writer:
    """Decides and commits for one instance of one service."""

    def __init__(
        self,
        service: Service,
        store: Store,
        clock: Clock,
        *,
        partitions: int,
        registry: CollectorRegistry | None = None,
    ) -> None:
        self.service = service
        self.store = store
        self.clock = clock
        self.partitions = partitions
        self.policies = Policies()
        self.blocked: frozenset[str] = frozenset()
        self.lock = threading.RLock()
        self.on_commit: list[OnCommit] = []
        registry = registry or CollectorRegistry()
        self._appended = Counter(
            "bihuan_events_appended", "Events appended", ["type"], registry=registry
        )
        self._moved = Counter(
            "bihuan_decisions_moved",
            "Decisions made again because something moved",
            registry=registry,
        )
        self._commit_seconds = Histogram(
            "bihuan_commit_seconds",
            "Time from decision to commit",
            registry=registry,
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0),
        )

    def start(self) -> None:
        """Makes the tables, brings seed policies into force, reads what is parked.

        Raises HalfMade where the database is being made again, or that was broken off.
        """
        self.store.create_tables()
        with self.store.connection() as conn:
            refuse_half_made(conn, self.service.name)
        self.refresh()
        for seed in self.service.seed_policies:
            self.transact(lambda work, seed=seed: work.seed(seed))  # type: ignore[misc] # the lambda is called at once
        self.refresh()

    def refresh(self) -> None:
        """Reads policies and parked complaints again."""
        with self.lock:
            self.policies = self.store.policies()
            self.blocked = self.store.blocked()

    def begin(self) -> Work:
        """An empty unit of work at this very instant."""
        return Work(
            self.service,
            self.store,
            self.policies,
            self.clock.now(),
            self.partitions,
            self.blocked,
        )

    def transact(self, decide: Callable[[Work], T], *, always: bool = False) -> T:
        """Runs `decide` on a unit of work and commits it; again while what it read moves.

        `always` commits even a unit without any effect (its takes are to be saved now).
        Raises what `decide` raises (a refusal only once its reads are proven current), Overtaken,
        Busy after ATTEMPTS_MAX lost races, Unreachable when the database is away.
        """
        with self.lock:
            for attempt in range(ATTEMPTS_MAX):
                started = time.perf_counter()
                try:
                    return self._once(decide, started, always=always)
                except Overtaken:
                    self.store.forget()
                    raise
                except Moved:
                    self._moved.inc()
                    self.store.forget()
                    self.blocked = self.store.blocked()
                    if self.store.policies_moved(self.policies):
                        self.policies = self.store.policies()
                    time.sleep(min(0.001 * attempt, 0.02))
                except (OperationalError, InterfaceError) as error:
                    self.store.forget()
                    raise Unreachable(type(error).__name__) from error
            raise Busy(f"gave up after {ATTEMPTS_MAX} lost races")

    def _once(self, decide: Callable[[Work], T], started: float, *, always: bool) -> T:
        work = self.begin()
        try:
            result = decide(work)
        except DomainError:
            reads = work.unit()
            self.store.commit(
                Unit(
                    read_versions=work.loaded_versions(),
                    finds=reads.finds,
                    subjects=reads.subjects,
                ),
                self.begin(),
            )
            raise
        unit = work.unit()
        if not (always or unit.has_effect or unit.read_versions or unit.finds):
            self.store.end()
            return result
        self.store.commit(unit, work)
        work.committed = True
        if unit.events:
            self._commit_seconds.observe(time.perf_counter() - started)
            for topic, times in Tally(event.topic for event in unit.events).items():
                self._appended.labels(topic).inc(times)
            if any(isinstance(one.data, self._policy_type) for one in work.recorded):
                self.policies = self.store.policies()
            for told in self.on_commit:
                told(work.recorded, started)
        if unit.parked:
            self.blocked = self.store.blocked()
        return result

    @property
    def _policy_type(self) -> type[Any]:
        return self.service.housekeeping.policy_activated


__all__ = ["ActivatePolicy", "Busy", "ComplaintParked", "Unreachable", "Writer"]
