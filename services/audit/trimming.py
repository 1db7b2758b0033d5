"""What Kafka may forget of the log: what is archived, old enough, and heard by every service.

The log keeps everything until audit says otherwise (DESIGN, Relay: retention.ms=-1). A record
goes only when each of these holds: audit's database took it; it was made more than the policy's
days ago; the position that every service's group put down lies behind it, that of a service that is
down or has never listened included; and nobody parked it, for the bytes of a parked record may lie
there alone. Whoever needs what is gone reads the archive first (a rebuild, a new service).
"""

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from confluent_kafka import KafkaException
from prometheus_client import Counter
from psycopg import Connection
from psycopg.rows import tuple_row

from contracts.catalogue import SERVICES
from libs.decider import Conflict
from libs.eventlog.writer import UNAVAILABLE
from libs.messaging import topics
from libs.messaging.app import App
from services.audit.cold.records import Records, reading
from services.audit.cold.store import Store, StoreAway
from services.audit.domain.cohorts import NAME, ArchivePolicy

log = logging.getLogger("bihuan.audit")

HOUR_SECONDS = 3_600


class NoAdmin(Conflict):
    """The in-memory broker has no admin API: nothing is dropped there, it is gone at exit."""

    rule = "log-not-trimmed-in-memory"
    zh = "内存消息代理没有管理接口,不清理日志"


class LogUnreachable(RuntimeError):
    """Kafka does not answer, or not for all groups: nothing was dropped."""


NOT_NOW: tuple[type[Exception], ...] = (LogUnreachable, StoreAway, *UNAVAILABLE)


@dataclass(frozen=True, slots=True)
class Bound:
    """How far one partition may be forgotten, and what stops it there."""

    partition: int
    start: int
    """The first offset that Kafka has."""
    upto: int
    """The first that stays."""
    because: str
    """What it waits for: archive, age, parked, or a service."""


def bound(
    partition: int, start: int, limits: Mapping[str, int], heard: Mapping[str, int | None]
) -> Bound:
    """The nearest of the limits and of what each service has heard; None: it never listened."""
    all_limits = {**limits, **{name: one or 0 for name, one in heard.items()}}
    because = min(all_limits, key=lambda name: (all_limits[name], name))
    return Bound(partition, start, max(start, all_limits[because]), because)


def limits_of(
    archived: Records, topic: str, topic_id: str, starts: Mapping[int, int], old: datetime
) -> dict[int, dict[str, int]]:
    """Partition -> how far archive, age and parked records let it go, of the log's present life."""
    taken, parked, life = _standing(archived.conn, topic, topic_id)
    found = {}
    for partition, start in starts.items():
        upto = taken.get(partition, 0) if life is not None else 0
        limits = {"archive": upto}
        if partition in parked:
            limits["parked"] = parked[partition]
        if life is not None and upto > start:
            limits["age"] = _first_young(archived, partition, life, start, upto, old)
        found[partition] = limits
    return found


def _standing(
    conn: Connection[Any], topic: str, topic_id: str
) -> tuple[dict[int, int], dict[int, int], int | None]:
    """How far each partition is taken, its first parked record, and which life this topic is."""
    with conn.cursor(row_factory=tuple_row) as curs:
        taken = curs.execute(
            "SELECT partition, next FROM inbox_offset WHERE topic = %s AND topic_id = %s",
            (topic, topic_id),
        ).fetchall()
        parked = curs.execute(
            "SELECT partition, min(record_offset) FROM parked "
            "WHERE topic = %s AND state <> 'settled' GROUP BY partition",
            (topic,),
        ).fetchall()
        row = curs.execute("SELECT life FROM log_life WHERE topic_id = %s", (topic_id,)).fetchone()
    return dict(taken), dict(parked), None if row is None else row[0]


def _first_young(
    archived: Records, partition: int, life: int, start: int, upto: int, old: datetime
) -> int:
    """The offset of the first record that is not old enough; one without a time counts as young."""
    last = start
    for record in archived.in_order(partition, (life, start - 1)):
        if record.life != life or record.offset >= upto:
            break
        if record.time is None or record.time > old:
            return record.offset
        last = record.offset + 1
    return last


class Trimmer:
    """Lets Kafka forget, now and then; `plan` only says what would go."""

    def __init__(self, app: App, store: Store, every_hours: int) -> None:
        self._app = app
        self._store = store
        self._every = every_hours
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._dropped = Counter(
            "bihuan_log_dropped",
            "Offsets of the log that Kafka was told to forget, for the archive has them",
            registry=app.registry,
        )

    def start(self) -> None:
        """Begins, in a thread of its own; the in-memory broker is left alone, and that is said."""
        if self._every == 0:
            return
        if self._app.settings.broker == "memory":
            log.warning("the log is not trimmed: the in-memory broker has no admin API")
            return
        self._thread = threading.Thread(target=self._run, name="trimming", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(5.0)

    def _run(self) -> None:
        while not self._stopping.wait(self._every * HOUR_SECONDS):
            try:
                self.trim()
            except NOT_NOW as error:
                log.warning("the log was not trimmed", extra={"error": type(error).__name__})
            except Exception:
                log.exception("the log was not trimmed")

    def plan(self) -> list[Bound]:
        """How far each partition may go; raises NoAdmin, LogUnreachable, StoreAway."""
        settings, inbox = self._app.settings, self._app.inbox
        if settings.broker == "memory":
            raise NoAdmin
        try:
            starts = topics.starts(settings.kafka_bootstrap, inbox.topic)
            heard = {
                name: topics.group_offsets(
                    settings.kafka_bootstrap, f"{settings.topic_prefix}bihuan-{name}", inbox.topic
                )
                for name in SERVICES
            }
        except KafkaException as error:
            raise LogUnreachable(f"Kafka: {error.args[0].name()}") from None
        now = self._app.clock.now()
        policy: ArchivePolicy = self._app.writer.policies.in_force(NAME, now).compiled
        with self._app.store.connection() as conn, reading(conn, self._store) as archived:
            limits = limits_of(
                archived, inbox.topic, inbox.topic_id, starts, now - timedelta(days=policy.log_days)
            )
        return [
            bound(
                partition,
                start,
                limits[partition],
                {name: offsets.get(partition) for name, offsets in heard.items()},
            )
            for partition, start in sorted(starts.items())
        ]

    def trim(self) -> Sequence[Bound]:
        """Drops what may go; returns how far each partition went. Raises like `plan`."""
        planned = self.plan()
        going = {one.partition: one.upto for one in planned if one.upto > one.start}
        if going:
            try:
                topics.delete_before(
                    self._app.settings.kafka_bootstrap, self._app.inbox.topic, going
                )
            except KafkaException as error:
                raise LogUnreachable(f"Kafka: {error.args[0].name()}") from None
            self._dropped.inc(sum(one.upto - one.start for one in planned))
            log.info("Kafka forgot what the archive has", extra={"partitions": len(going)})
        return planned
