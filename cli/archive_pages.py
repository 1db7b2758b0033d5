"""Audit's archive over HTTP, page by page, as whoever rebuilds a service reads it."""

from collections.abc import Iterable

from cli.client import Client
from libs.messaging.log_lines import LogEnds, PartitionEnd
from libs.messaging.log_source import LogPlace

ROLE = "auditor"
ACTOR = "auditor:local"


class ArchivePages:
    """`libs.messaging.log_lines.Pages` of a running audit."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def ends(self) -> LogEnds:
        """See Pages; raises Refused or NotRunning."""
        told = self._client.get("audit", "/log/ends")
        return LogEnds(
            {int(life): topic_id for life, topic_id in told["lives"].items()},
            tuple(PartitionEnd(**end) for end in told["ends"]),
        )

    def after(self, partition: int, place: LogPlace) -> Iterable[bytes]:
        """See Pages; raises Refused or NotRunning."""
        return self._client.get_bytes(
            "audit", "/log/records", partition=partition, life=place.life, offset=place.offset
        ).splitlines()
