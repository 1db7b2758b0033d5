"""One service's writer, database and HTTP API, without Kafka: what is heard is given by hand."""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from fastapi import FastAPI

from libs.decider import DomainError, Recorded
from libs.eventlog.service import Service
from libs.eventlog.store import Store
from libs.eventlog.writer import Writer
from libs.messaging.commands import RuntimeCommands
from libs.messaging.inbox import hear
from libs.timekeeping.clock import SteppedClock
from libs.web import Authenticator, JwksFile, build_api, issue_token, make_signing_key
from libs.web.access import load_access_table
from libs.web.auth import SigningKey
from tests.stack import room
from tests.unit.web.client import Client

ACCESS = Path(__file__).parents[2] / "infra" / "access.v1.yaml"
PLACEHOLDER = "v1.sealed."


class Wax:
    """Seals as intake's vault would, recognisably."""

    async def seal_many(self, complaint: UUID, texts: Mapping[str, str]) -> Mapping[str, str]:
        """A token a field; the text is in none of them."""
        return {name: f"{PLACEHOLDER}{name}.{complaint}" for name in texts}


@dataclass
class Office:
    """A service at work; its clock stands still until moved."""

    service: Service
    writer: Writer
    clock: SteppedClock
    api: FastAPI
    signing: SigningKey
    dsn: str
    refused: list[DomainError] = field(default_factory=list)
    keys: int = 0

    def hear(self, recorded: Recorded[Any]) -> None:
        """One event of the log, as the inbox takes it."""
        self.clock.jump(recorded.time)

        def decide(work: Any) -> None:
            commands = self.service.react(recorded)
            hear(self.service, work, recorded, commands, self.refused.append)

        self.writer.transact(decide)

    def query(self, call: Callable[..., Any], *args: Any) -> Any:
        """A read model's query."""
        with self.writer.store.connection() as conn:
            return call(conn, *args)

    def bearer(self, *roles: str, actor: str = "agent:1501") -> dict[str, str]:
        """A caller's token."""
        token = issue_token(self.signing, actor=actor, roles=roles, real_now_s=time.time())
        return {"Authorization": f"Bearer {token}"}

    def headers(self, role: str, actor: str = "agent:1501") -> dict[str, str]:
        """A caller's token, and a fresh key."""
        self.keys += 1
        return {**self.bearer(role, actor=actor), "Idempotency-Key": f"key-{self.keys}"}

    def post(self, url: str, body: Any = None, *, role: str = "desk", **more: Any) -> Any:
        """A command over HTTP: the answer, whatever it is."""
        headers = self.headers(role, **more)
        return Client(self.api).post(url, headers=headers, json=body or {})

    def get(self, url: str, *, role: str = "desk", status: int = 200) -> Any:
        """A query over HTTP."""
        answer: httpx.Response = Client(self.api).get(url, headers=self.headers(role))
        assert answer.status_code == status, answer.text
        return answer.json()


@contextmanager
def office(
    service: Service, routes: Callable[..., Any], folder: Path, start: datetime
) -> Iterator[Office]:
    """The service on a fresh database of the session's PostgreSQL."""
    with room((service.name,), with_topics=False) as where:
        store = Store(service, where.service_dsns[service.name])
        clock = SteppedClock(start)
        writer = Writer(service, store, clock, partitions=12)
        writer.start()

        async def query(call: Callable[..., Any], *args: Any) -> Any:
            def run() -> Any:
                with store.connection() as conn:
                    return call(conn, *args)

            return await asyncio.to_thread(run)

        signing = make_signing_key(folder)
        api = build_api(
            service.name,
            service.name,
            "0.1.0",
            routes(query, Wax()),
            authenticator=Authenticator(JwksFile(folder / "jwks.json", time.time), time.time),
            access=load_access_table(ACCESS),
            commands=RuntimeCommands(writer, asyncio.to_thread),
            now=clock.now,
        )
        try:
            yield Office(service, writer, clock, api, signing, where.service_dsns[service.name])
        finally:
            store.close()
