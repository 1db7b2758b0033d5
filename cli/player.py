"""Plays people: customers who write to channels, and staff who use the services' HTTP.

It has no other way into the system than theirs: messages on `complaints.channel` and requests with
a bearer token. The demo and the acceptance tests both act through it.
"""

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import httpx
from aiokafka import AIOKafkaProducer

from contracts.messages import CHANNEL_TOPIC, ChannelMessage
from libs.decider.decider import wire_instant
from libs.eventlog.work import partition_of
from libs.messaging.clients import start
from libs.web.auth import SigningKey, issue_token

TOKEN_SECONDS = 8 * 3600
REQUEST_BYTES_MAX = 8 * 1024 * 1024


class Denied(RuntimeError):
    """A service said no."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(f"{status} {problem.get('rule', '')}: {problem.get('detail', '')}")
        self.status = status
        self.problem = problem


class Player:
    """Customers and staff of one running system; use as an async context manager."""

    def __init__(
        self,
        *,
        bootstrap: str,
        urls: Mapping[str, Mapping[str, str]],
        signing: SigningKey,
        partitions: int,
        topic_prefix: str = "",
    ) -> None:
        self.urls = urls
        self._signing = signing
        self._partitions = partitions
        self._topic = topic_prefix + CHANNEL_TOPIC
        self._tokens: dict[tuple[str, str, str | None], str] = {}
        self._http = httpx.AsyncClient(timeout=60, trust_env=False)
        self._producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap, acks="all", max_request_size=REQUEST_BYTES_MAX
        )
        self._requests = 0

    async def __aenter__(self) -> "Player":
        await start(self._producer)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._producer.stop()
        await self._http.aclose()

    # -- customers -------------------------------------------------------------------------------

    async def say(self, source: str, message: str, at: datetime, **words: Any) -> None:
        """Publishes a channel message; `words` are the fields of its body (ChannelWords)."""
        await self.publish(to_bytes(message_of(source, message, at, **words)), source + message)

    async def outcome(self, source: str, message: str) -> Any:
        """What became of a message: outcome, complaint, receipt."""
        return await self.get(
            "intake", "/messages", role="channel", actor="channel:player", source=source, id=message
        )

    async def publish(self, value: bytes | None, key: str, headers: Any = None) -> None:
        """Puts bytes on the channel topic, as a gateway would."""
        await self._producer.send_and_wait(
            self._topic,
            value,
            key=key.encode(),
            partition=partition_of(key, self._partitions),
            headers=headers,
        )

    # -- staff -----------------------------------------------------------------------------------

    async def do(
        self,
        service: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        role: str = "agent",
        actor: str = "agent:1001",
        team: str | None = None,
        key: str | None = None,
        method: str = "POST",
    ) -> Any:
        """A command; returns its JSON, raises Denied with the problem."""
        self._requests += 1
        headers = {
            **self.headers(role, actor, team),
            "Idempotency-Key": key or f"player-{self._requests}-{time.monotonic_ns()}",
        }
        url = self.urls[service]["api"] + path
        answer = await self._http.request(method, url, json=body or {}, headers=headers)
        return _json_or_denied(answer)

    async def get(
        self,
        service: str,
        path: str,
        *,
        role: str = "manager",
        actor: str = "agent:2001",
        team: str | None = None,
        **query: Any,
    ) -> Any:
        """A query; returns its JSON, raises Denied."""
        answer = await self._http.get(
            self.urls[service]["api"] + path,
            params={name: value for name, value in query.items() if value is not None},
            headers=self.headers(role, actor, team),
        )
        return _json_or_denied(answer)

    def headers(self, role: str, actor: str, team: str | None = None) -> dict[str, str]:
        """The bearer token of somebody with this role."""
        known = (role, actor, team)
        if known not in self._tokens:
            self._tokens[known] = issue_token(
                self._signing,
                actor=actor,
                roles=[role],
                team=team,
                real_now_s=time.time(),
                lifetime_s=TOKEN_SECONDS,
            )
        return {"Authorization": f"Bearer {self._tokens[known]}"}


def message_of(source: str, message: str, at: datetime, **words: Any) -> ChannelMessage:
    """A channel message; `words` are the fields of its body."""
    return ChannelMessage.model_validate(
        {
            "specversion": "1.0",
            "id": message,
            "source": source,
            "type": "channel.message.v1",
            "time": wire_instant(at),
            "data": words,
        }
    )


def to_bytes(message: ChannelMessage) -> bytes:
    """A message as it goes over the wire; what was not said is left out."""
    return message.model_dump_json(exclude_none=True).encode()


def _json_or_denied(answer: httpx.Response) -> Any:
    body = answer.json() if answer.content else {}
    if answer.is_error:
        raise Denied(answer.status_code, body if isinstance(body, dict) else {})
    return body
