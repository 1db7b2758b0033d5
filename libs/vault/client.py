"""How other services seal and open: intake's HTTP, batched, with their own token."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from pydantic_core import to_json

from libs.decider import DomainError
from libs.web.problem import NotAllowed, Unavailable

TIMEOUT_SECONDS = 10.0
ITEMS_MAX = 100
BATCH_BYTES_MAX = 240 * 1024
"""With its wrapping a batch stays under `libs.web.reading.BODY_BYTES_MAX`."""

STAYS_CLOSED = frozenset({"erased", "locked", "key-broken"})


class VaultRefused(DomainError):
    """The vault would not seal or open this; its answer names the rule."""

    rule = "vault-refused"
    status = 422
    zh = "密封服务拒绝了该请求"


class ServiceTokenRefused(Unavailable):
    """The vault does not take this service's own token; nothing was done. An operator gives it
    another one (docs/operations.md, Keys and tokens); then send the same request again."""

    rule = "service-token-refused"
    zh = "本服务自身的令牌无效,未执行任何操作;请联系管理员更换服务令牌后重试"


@dataclass(slots=True)
class _Wanted:
    """Texts of one caller that wait to be sealed, and where their tokens go."""

    items: list[dict[str, str]]
    tokens: "asyncio.Future[list[str]]"


class VaultClient:
    """Seals and opens over HTTP; raises Unavailable when intake cannot be reached.

    What is to be sealed while a request is under way goes together in the next one: a request
    costs both sides far more than its items.
    """

    def __init__(
        self,
        url: Callable[[], str],
        token_file: Path | None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._url = url
        self._token_file = token_file
        self._http = httpx.AsyncClient(
            timeout=TIMEOUT_SECONDS, trust_env=False, transport=transport
        )
        self._queue: deque[_Wanted] = deque()
        self._sending: asyncio.Task[None] | None = None
        self._refused = ""

    def look(self, _connection: object) -> list[str]:
        """What an operator should see to: whether our token was refused when we last asked."""
        if not self._refused:
            return []
        return [f"the vault does not take this service's token: {self._refused}"]

    async def seal_many(self, complaint: UUID, texts: Mapping[str, str]) -> Mapping[str, str]:
        """Field -> plaintext in, field -> token out, all bound to the complaint's person."""
        items = [
            {"complaint": str(complaint), "field": field, "text": text}
            for field, text in texts.items()
        ]
        tokens: list[str] = []
        for batch in _batches(items):
            wanted = _Wanted(batch, asyncio.get_running_loop().create_future())
            self._queue.append(wanted)
            if self._sending is None or self._sending.done():
                self._sending = asyncio.create_task(self._send(), name="sealing")
            tokens += await wanted.tokens
        return dict(zip(texts, tokens, strict=True))

    async def _send(self) -> None:
        """Sends what waits, as much at a time as one request may hold, until nothing does."""
        while self._queue:
            together: list[_Wanted] = []
            room = _Room()
            while self._queue and room.takes(self._queue[0].items):
                wanted = self._queue.popleft()
                if not wanted.tokens.done():
                    together.append(wanted)
            if not await self._sealed(together):
                for one in together:  # one of them is refused: each its own answer
                    await self._sealed([one])

    async def _sealed(self, together: Sequence[_Wanted]) -> bool:
        """Seals these in one request; False when they must be asked for one by one."""
        if not together:
            return True
        items = [item for one in together for item in one.items]
        try:
            tokens = iter(_done(await self._post("/seal", {"items": items}))["tokens"])
            for one in together:
                mine = [next(tokens) for _ in one.items]
                if not one.tokens.done():
                    one.tokens.set_result(mine)
        except BaseException as error:
            if isinstance(error, VaultRefused) and len(together) > 1:
                return False
            for one in together:
                if not one.tokens.done():
                    one.tokens.set_exception(error)
            if not isinstance(error, Exception):
                raise
        return True

    async def open_many(
        self,
        tokens: Sequence[str],
        purpose: str,
        complaint: UUID | None = None,
        authorization: str | None = None,
    ) -> list[str | None]:
        """Each token's plaintext, or None where it does not open (`STAYS_CLOSED`).

        `authorization`: the header of whoever asked this service, who then opens with their own
        rights, is named on record, and is told NotAllowed; None: this service for itself.
        """
        about = None if complaint is None else str(complaint)
        texts: list[str | None] = []
        for batch in _batches(tokens):
            body = {"tokens": batch, "purpose": purpose, "complaint": about}
            answer = await self._post("/open", body, authorization)
            if _rule(answer) in STAYS_CLOSED:
                texts += [None] * len(batch)
            else:
                texts += [one["text"] for one in _done(answer)["items"]]
        return texts

    async def close(self) -> None:
        """Lets go of the connections; who still waits is told that the vault is away."""
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)
        for wanted in self._queue:
            if not wanted.tokens.done():
                wanted.tokens.set_exception(Unavailable("the vault cannot be reached"))
        self._queue.clear()
        await self._http.aclose()

    async def _post(self, path: str, body: Any, authorization: str | None = None) -> httpx.Response:
        headers = {}
        if authorization is not None:
            headers["Authorization"] = authorization
        elif self._token_file is not None:
            headers["Authorization"] = f"Bearer {self._token_file.read_text('ascii').strip()}"
        try:
            answer = await self._http.post(self._url() + path, json=body, headers=headers)
        except httpx.TransportError:
            raise Unavailable("the vault cannot be reached") from None
        if answer.status_code >= 500 or answer.status_code == 429:
            raise Unavailable("the vault cannot answer now")
        rule = _rule(answer)
        refused = answer.status_code == 401 or rule == NotAllowed.rule
        if authorization is not None:
            if refused:
                raise NotAllowed
            return answer
        self._refused = f"{answer.status_code} {rule}".strip() if refused else ""
        if refused:
            raise ServiceTokenRefused
        return answer


class _Room:
    """What still goes into one request."""

    def __init__(self) -> None:
        self._items = self._bytes = 0

    def takes(self, items: Sequence[Any]) -> bool:
        """Whether these go in too; the first always do."""
        size = sum(len(to_json(item)) + 1 for item in items)
        fits = self._items + len(items) <= ITEMS_MAX and self._bytes + size <= BATCH_BYTES_MAX
        if self._items and not fits:
            return False
        self._items += len(items)
        self._bytes += size
        return True


def _batches(items: Sequence[Any]) -> Iterator[list[Any]]:
    """As many at a time as one request may hold."""
    batch: list[Any] = []
    room = _Room()
    for item in items:
        if not room.takes([item]):
            yield batch
            batch, room = [], _Room()
            room.takes([item])
        batch.append(item)
    if batch:
        yield batch


def _rule(answer: httpx.Response) -> str:
    """The rule that a problem names; empty for anything else."""
    if not answer.is_error:
        return ""
    try:
        return str(answer.json()["rule"])
    except (ValueError, KeyError, TypeError):
        return ""


def _done(answer: httpx.Response) -> Any:
    if answer.is_error:
        raise VaultRefused(f"the vault answered {answer.status_code} {_rule(answer)}".strip())
    return answer.json()
