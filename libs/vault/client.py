"""How other services seal and open: intake's HTTP, batched, with their own token."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from pydantic_core import to_json

from libs.decider import DomainError
from libs.web.problem import Unavailable

TIMEOUT_SECONDS = 10.0
ITEMS_MAX = 100
BATCH_BYTES_MAX = 240 * 1024
"""With its wrapping a batch stays under `libs.web.reading.BODY_BYTES_MAX`."""

STAYS_CLOSED = frozenset({"erased", "locked"})


class VaultRefused(DomainError):
    """The vault would not seal or open this; its answer names the rule."""

    rule = "vault-refused"
    status = 422
    zh = "密封服务拒绝了该请求"


class VaultClient:
    """Seals and opens over HTTP; raises Unavailable when intake cannot be reached."""

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

    async def seal_many(self, complaint: UUID, texts: Mapping[str, str]) -> Mapping[str, str]:
        """Field -> plaintext in, field -> token out, all bound to the complaint's person."""
        items = [
            {"complaint": str(complaint), "field": field, "text": text}
            for field, text in texts.items()
        ]
        tokens: list[str] = []
        for batch in _batches(items):
            answer = _done(await self._post("/seal", {"items": batch}))
            tokens += answer["tokens"]
        return dict(zip(texts, tokens, strict=True))

    async def open_many(
        self, tokens: Sequence[str], purpose: str, complaint: UUID | None = None
    ) -> list[str | None]:
        """Each token's plaintext, or None where it does not open any more (erased, locked)."""
        about = None if complaint is None else str(complaint)
        texts: list[str | None] = []
        for batch in _batches(tokens):
            body = {"tokens": batch, "purpose": purpose, "complaint": about}
            answer = await self._post("/open", body)
            if _rule(answer) in STAYS_CLOSED:
                texts += [None] * len(batch)
            else:
                texts += [one["text"] for one in _done(answer)["items"]]
        return texts

    async def close(self) -> None:
        """Lets go of the connections."""
        await self._http.aclose()

    async def _post(self, path: str, body: Any) -> httpx.Response:
        headers = {}
        if self._token_file is not None:
            headers["Authorization"] = f"Bearer {self._token_file.read_text('ascii').strip()}"
        try:
            answer = await self._http.post(self._url() + path, json=body, headers=headers)
        except httpx.TransportError:
            raise Unavailable("the vault cannot be reached") from None
        if answer.status_code >= 500 or answer.status_code == 429:
            raise Unavailable("the vault cannot answer now")
        return answer


def _batches(items: Sequence[Any]) -> Iterator[list[Any]]:
    """As many at a time as one request may hold."""
    batch: list[Any] = []
    bytes_in_batch = 0
    for item in items:
        size = len(to_json(item)) + 1
        if batch and (len(batch) == ITEMS_MAX or bytes_in_batch + size > BATCH_BYTES_MAX):
            yield batch
            batch, bytes_in_batch = [], 0
        batch.append(item)
        bytes_in_batch += size
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
