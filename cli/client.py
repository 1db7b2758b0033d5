"""How a command talks to the running system: its services' HTTP, with a token of this machine."""

import os
import time
import uuid
from collections.abc import Mapping
from hashlib import sha256
from typing import IO, Any, NoReturn

import httpx

from cli.places import NotRunning, Places
from libs.web.auth import issue_token, load_signing_key

TOKEN_SECONDS = 600
TIMEOUT_SECONDS = 120.0


class Refused(RuntimeError):
    """A service said no; its problem+json is in `problem`."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        super().__init__(str(problem.get("detail") or problem.get("title") or f"HTTP {status}"))
        self.status = status
        self.problem = problem


class Client:
    """One caller of the services' APIs.

    Where the services are comes from the running system's own file, or for a system elsewhere
    from `BIHUAN_<SERVICE>_URL`; the token is the one given, or `BIHUAN_TOKEN`, or made by this
    installation's key.
    """

    def __init__(
        self, places: Places, *, actor: str, roles: tuple[str, ...], token: str | None = None
    ) -> None:
        self._places = places
        self._given = token
        self._actor = actor
        self._roles = roles
        self._http = httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def url(self, service: str) -> str:
        """Where a service's API is; raises NotRunning."""
        told = os.environ.get(f"BIHUAN_{service.upper()}_URL")
        if told:
            return told.rstrip("/")
        return str(self._places.running()["services"][service]["api"])

    def get(self, service: str, path: str, **query: Any) -> Any:
        """The JSON of a GET; raises Refused, or NotRunning when nobody answers."""
        given = {name: value for name, value in query.items() if value is not None}
        return self._send("GET", service, path, params=given)

    def get_bytes(self, service: str, path: str, **query: Any) -> bytes:
        """The bytes of a GET, whatever they are; raises Refused or NotRunning."""
        return self._answer("GET", service, path, params=query).content

    def get_into(self, file: IO[bytes], service: str, path: str, **query: Any) -> None:
        """Writes the bytes of a GET into a file as they come; raises Refused or NotRunning."""
        url = f"{self.url(service)}{path}"
        headers = {"Authorization": f"Bearer {self._token()}"}
        try:
            with self._http.stream("GET", url, headers=headers, params=query) as answer:
                if answer.is_error:
                    answer.read()
                    _raise_refused(answer)
                for part in answer.iter_bytes():
                    file.write(part)
        except httpx.TransportError as error:
            raise NotRunning(f"{service} does not answer; is the system up? (bihuan up)") from error

    def post(self, service: str, path: str, body: Any, key: str | None = None) -> Any:
        """The JSON of a command, under a fresh Idempotency-Key unless one is given."""
        headers = {"Idempotency-Key": key or str(uuid.uuid4())}
        return self._send("POST", service, path, json=body, headers=headers)

    def pages(self, service: str, path: str, **query: Any) -> Any:
        """All items of a paged list, page by page."""
        page = self.get(service, path, **query)
        while True:
            yield from page["items"]
            if not page.get("next"):
                return
            page = self._send("GET", service, page["next"])

    def download(self, service: str, path: str, body: Any) -> tuple[bytes, Mapping[str, str]]:
        """The bytes that a POST answers with, and its headers."""
        answer = self._answer("POST", service, path, json=body)
        return answer.content, answer.headers

    def _send(self, method: str, service: str, path: str, **more: Any) -> Any:
        return self._answer(method, service, path, **more).json()

    def _answer(self, method: str, service: str, path: str, **more: Any) -> httpx.Response:
        url = f"{self.url(service)}{path}"
        headers = {"Authorization": f"Bearer {self._token()}", **more.pop("headers", {})}
        try:
            answer = self._http.request(method, url, headers=headers, **more)
        except httpx.TransportError as error:
            raise NotRunning(f"{service} does not answer; is the system up? (bihuan up)") from error
        if answer.is_error:
            _raise_refused(answer)
        return answer

    def _token(self) -> str:
        told = self._given or os.environ.get("BIHUAN_TOKEN")
        if told:
            return told
        try:
            signing = load_signing_key(self._places.keys / "signing-key.json")
        except FileNotFoundError as error:
            raise NotRunning(
                f"{self._places.keys} holds no signing key; give BIHUAN_TOKEN, or: bihuan up"
            ) from error
        # One token for all commands of ten minutes: the log holds each token, not each command.
        since_s = time.time() // TOKEN_SECONDS * TOKEN_SECONDS
        named = f"{signing.kid} {self._actor} {' '.join(self._roles)} {since_s}"
        return issue_token(
            signing,
            actor=self._actor,
            roles=list(self._roles),
            real_now_s=since_s,
            lifetime_s=2 * TOKEN_SECONDS,
            token_id=f"cli-{sha256(named.encode()).hexdigest()[:24]}",
        )


def _raise_refused(answer: httpx.Response) -> NoReturn:
    try:
        problem = answer.json()
    except ValueError:
        problem = {}
    raise Refused(answer.status_code, problem if isinstance(problem, dict) else {})
