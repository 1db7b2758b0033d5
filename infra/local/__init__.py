"""The local stack of one machine: real PostgreSQL and Kafka without containers or root's leave."""

from infra.local.postgres import PostgresServer
from infra.local.problems import (
    CannotLeaveRoot,
    DataFolderInUse,
    KafkaUnavailable,
    NotOnMemoryBroker,
    ServerFailed,
    StackProblem,
)
from infra.local.stack import BrokerChoice, LocalStack, RunningStack, find_running

__all__ = [
    "BrokerChoice",
    "CannotLeaveRoot",
    "DataFolderInUse",
    "KafkaUnavailable",
    "LocalStack",
    "NotOnMemoryBroker",
    "PostgresServer",
    "RunningStack",
    "ServerFailed",
    "StackProblem",
    "find_running",
]
