"""Intake with its HTTP interface on a real PostgreSQL; a fake vault, and no log."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from libs.decider import Recorded, To
from libs.eventlog.envelope import Origin
from libs.eventlog.store import Store
from libs.eventlog.writer import Writer
from libs.messaging.channel import Channel, RawMessage
from libs.messaging.commands import RuntimeCommands
from libs.timekeeping.clock import SteppedClock
from libs.web import Authenticator, JwksFile, build_api, issue_token, make_signing_key
from libs.web.access import load_access_table
from libs.web.auth import SigningKey
from services.intake import api
from services.intake.door import IntakeDoor
from services.intake.main import describe
from services.intake.reactions import react
from tests.stack import room
from tests.unit.intake.world import TOLD, FakeVault
from tests.unit.web.client import Client

REAL_S = 1_900_000_000.0
ACCESS = Path(__file__).parents[3] / "infra" / "access.v1.yaml"


@dataclass
class Desk:
    """Intake behind its HTTP interface, and the means to look behind it."""

    http: FastAPI
    writer: Writer
    channel: Channel
    clock: SteppedClock
    signing: SigningKey
    dsn: str
    owners_dsn: str

    def headers(self, *roles: str, key: str | None = None) -> dict[str, str]:
        token = issue_token(
            self.signing, actor="agent:a-1", roles=roles or ("desk",), real_now_s=REAL_S
        )
        return {"Authorization": f"Bearer {token}", "Idempotency-Key": key or str(uuid4())}

    def get(self, path: str, *roles: str) -> httpx.Response:
        return Client(self.http).get(path, headers=self.headers(*roles))

    def post(self, path: str, body: Any, *roles: str, key: str | None = None) -> httpx.Response:
        return Client(self.http).post(path, json=body, headers=self.headers(*roles, key=key))

    def tell(self, told: Mapping[str, Any]) -> httpx.Response:
        return self.post("/messages", told, "channel")

    def events(self) -> list[str]:
        with self.writer.store.connection() as conn:
            table = self.writer.store.recorder.events_table_name
            rows = conn.execute(f"SELECT topic FROM {table} ORDER BY notification_id").fetchall()
        return [row["topic"] for row in rows if row["topic"] != "policy.activated.v1"]

    def react(self, recorded: Sequence[Recorded[Any]]) -> None:
        """Intake hears its own events, as it would from the log."""
        for to in [to for one in recorded for to in react(one)]:
            self._apply(to)

    def _apply(self, to: To) -> None:
        self.writer.transact(lambda work: work.apply(to, Origin("test", "system:intake")))


@contextmanager
def desk(folder: Path) -> Iterator[Desk]:
    """A fresh intake on a fresh database, on Sat 2025-10-11 09:00 in Shanghai."""
    with room(["intake"], with_topics=False) as given:
        store = Store(describe(), given.service_dsns["intake"])
        clock = SteppedClock(TOLD)
        writer = Writer(describe(), store, clock, partitions=12)
        writer.start()
        door = IntakeDoor(FakeVault(), lambda: writer.policies, clock)
        channel = Channel(writer, door, topic="complaints.channel", registry=CollectorRegistry())

        async def in_thread(call: Callable[..., Any], *args: Any) -> Any:
            return call(*args)

        async def query(call: Callable[..., Any], *args: Any) -> Any:
            with store.connection() as conn:
                return call(conn, *args)

        async def tell(raw: RawMessage) -> tuple[Mapping[str, Any], Sequence[Recorded[Any]]]:
            return channel.take_one(raw)

        signing = make_signing_key(folder)
        http = build_api(
            "intake",
            "Intake",
            "0",
            api.routes(query, tell, lambda: writer.policies),
            authenticator=Authenticator(
                JwksFile(folder / "jwks.json", lambda: REAL_S), lambda: REAL_S
            ),
            access=load_access_table(ACCESS),
            commands=RuntimeCommands(writer, in_thread),
            now=clock.now,
        )
        try:
            dsns = (given.service_dsns["intake"], given.dsns["intake"])
            yield Desk(http, writer, channel, clock, signing, *dsns)
        finally:
            store.close()
