"""A blocking client for an ASGI app in this process; Starlette's own wants a package we lack."""

import asyncio
from typing import Any

import httpx
from starlette.types import ASGIApp


class Client:
    """Asks `app` directly, without a socket; what the app raises is raised."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def request(self, method: str, url: str, **more: Any) -> httpx.Response:
        """One request and its answer."""

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                return await client.request(method, url, **more)

        return asyncio.run(ask())

    def get(self, url: str, **more: Any) -> httpx.Response:
        """GET."""
        return self.request("GET", url, **more)

    def post(self, url: str, **more: Any) -> httpx.Response:
        """POST."""
        return self.request("POST", url, **more)

    def delete(self, url: str) -> httpx.Response:
        """DELETE."""
        return self.request("DELETE", url)
