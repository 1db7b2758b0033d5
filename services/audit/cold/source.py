"""L for audit itself: the months' files as far as Kafka forgot them, then what Kafka holds.

Who lost audit's database has these two and no archive to ask. What neither has (records of months
that were never made files) is named and refused, as wherever L is read: restore a backup then.
"""

import heapq
from collections.abc import Iterator

from libs.messaging.log_source import (
    Accepted,
    KafkaLog,
    LogPlace,
    LogUnusable,
    Progress,
    quiet,
)
from libs.messaging.position import Position, RelayHeaders
from services.audit.cold.form import CohortFile, FileBroken, Record
from services.audit.cold.store import Store, StoreAway

LIFE = 1
"""The only one: which topic an earlier life was, only the lost database knew."""


class SeveralLives(LogUnusable):
    """The topic was made anew since: the files do not say which was which."""


class FilesLog:
    """A `Source`: a partition's records from the files up to where Kafka begins, then Kafka's."""

    def __init__(self, store: Store, kafka: KafkaLog) -> None:
        self._kafka = kafka
        self._begins = kafka.begin_where_it_begins()
        self._files = _opened(store)
        self._filed = False

    def read(self, progress: Progress = quiet) -> Iterator[Accepted]:
        """See Source; raises FileBroken as LogUnusable."""
        if not self._filed:
            for number, (partition, begin) in enumerate(sorted(self._begins.items()), start=1):
                yield from self._of(partition, begin)
                progress("reading the files", number, len(self._begins))
            self._filed = True
        yield from self._kafka.read(progress)

    def _of(self, partition: int, begin: int) -> Iterator[Accepted]:
        last = LogPlace(LIFE, -1)
        files = (file.records(partition) for file in self._files)
        try:
            for one in heapq.merge(*files, key=lambda record: record.place):
                if one.life != LIFE:
                    raise SeveralLives(
                        f"partition {partition}: the files hold records of life {one.life}; "
                        "audit's database can only come from a backup"
                    )
                if one.offset < begin and one.place > last:
                    last = LogPlace(*one.place)
                    yield _accepted(one)
        except FileBroken as error:
            raise LogUnusable(f"{error}. Nothing was changed") from error

    def close(self) -> None:
        """See Source."""
        for file in self._files:
            file.close()
        self._kafka.close()


def _opened(store: Store) -> list[CohortFile]:
    try:
        return [CohortFile(path) for path in map(store.proven, store.keys())]
    except (StoreAway, FileBroken) as error:
        raise LogUnusable(f"{error}. Nothing was changed") from error


def _accepted(one: Record) -> Accepted:
    headers = RelayHeaders(
        one.type, one.source, Position.parse(one.position), Position.parse(one.after)
    )
    return Accepted(one.partition, LogPlace(*one.place), headers, one.subject, one.state)
