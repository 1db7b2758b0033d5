"""How other services seal and open: intake's HTTP, batched, with their own token."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from libs.decider import DomainError
from libs.web.problem import Unavailable

TIMEOUT_SECONDS = 10.0
ITEMS_MAX = 500


class VaultRefused(DomainError):
    """The vault would not seal or open this."""

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
        for start in range(0, len(items), ITEMS_MAX):
            body = {"items": items[start : start + ITEMS_MAX]}
            tokens += (await self._post("/seal", body))["tokens"]
        return dict(zip(texts, tokens, strict=True))

    async def open_many(
        self, tokens: Sequence[str], purpose: str, complaint: UUID | None = None
    ) -> list[str | None]:
        """Each token's plaintext, or None where it does not open any more."""
        texts: list[str | None] = []
        for start in range(0, len(tokens), ITEMS_MAX):
            body = {
                "tokens": list(tokens[start : start + ITEMS_MAX]),
                "purpose": purpose,
                "complaint": None if complaint is None else str(complaint),
            }
            texts += [one["text"] for one in (await self._post("/open", body))["items"]]
        return texts

    async def close(self) -> None:
        """Lets go of the connections."""
        await self._http.aclose()

    async def _post(self, path: str, body: Any) -> Any:
        headers = {}
        if self._token_file is not None:
            headers["Authorization"] = f"Bearer {self._token_file.read_text('ascii').strip()}"
        try:
            answer = await self._http.post(self._url() + path, json=body, headers=headers)
        except httpx.TransportError:
            raise Unavailable("the vault cannot be reached") from None
        if answer.status_code >= 500 or answer.status_code == 429:
            raise Unavailable("the vault cannot answer now")
        if answer.is_error:
            raise VaultRefused(f"the vault answered {answer.status_code}")
        return answer.json()
