"""A service's database, or its views, dropped and made again from the log, as an operator would."""

from libs.eventlog.service import Service
from libs.eventlog.store import Store
from libs.messaging.copying import Where
from libs.messaging.log_source import KafkaLog, Log
from libs.messaging.rebuild import Rebuilt, rebuild


async def made_again(
    service: Service,
    dsn: str,
    bootstrap: str,
    *,
    topic: str,
    topic_id: str,
    partitions: int,
    whole: bool = True,
    log: Log | None = None,
) -> Rebuilt:
    """From Kafka's log or another, as the service itself; `whole` needs an emptied database."""
    store = Store(service, dsn)
    log = log or Log(KafkaLog(bootstrap, topic, partitions))
    try:
        where = Where(topic, topic_id, partitions)
        return await rebuild(service, store, dsn, log=log, where=where, whole=whole)
    finally:
        log.close()
        store.close()
