"""POST /seal and POST /open: for services, with a purpose, on record before anybody reads."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI

from libs.vault.client import ServiceTokenRefused, VaultClient, VaultRefused
from libs.vault.routes import Access, routes
from libs.vault.store import Vault
from libs.web import (
    Authenticator,
    JwksFile,
    Unavailable,
    build_api,
    issue_token,
    load_access_table,
    make_signing_key,
)
from libs.web.auth import SigningKey
from libs.web.problem import NotAllowed, problem_of
from tests.integration.vault.conftest import Start
from tests.unit.web.conformance import findings

REAL_S = 1_900_000_000.0
NOON = datetime(2025, 10, 9, 4, 0, tzinfo=UTC)
WORDS = "我的宽带三天没有信号"
COMPLAINT = UUID("5b0fdb9c-6f5b-5f3c-9d55-0d3c6a0a4a11")


@dataclass
class Door:
    """A vault behind HTTP, and the accesses it put on record."""

    api: FastAPI
    vault: Vault
    signing: SigningKey
    person: UUID
    folder: Path
    recorded: list[tuple[Access, str]] = field(default_factory=list)
    failure: Exception | None = None

    async def accessed(self, accesses: Sequence[Access], by: str) -> None:
        if self.failure is not None:
            raise self.failure
        self.recorded += [(access, by) for access in accesses]

    def token(self, role: str, actor: str = "system:routing") -> str:
        return issue_token(self.signing, actor=actor, roles=[role], real_now_s=REAL_S)

    def post(self, path: str, body: Any, role: str = "service") -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.api)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                headers = {"Authorization": f"Bearer {self.token(role)}"}
                return await client.post(path, json=body, headers=headers)

        return asyncio.run(ask())

    def seal(self, *texts: str) -> list[str]:
        items = [{"person": str(self.person), "field": "text", "text": text} for text in texts]
        answer = self.post("/seal", {"items": items})
        assert answer.status_code == 200, answer.text
        tokens: list[str] = answer.json()["tokens"]
        return tokens

    def open(self, *tokens: str, role: str = "service", **more: Any) -> httpx.Response:
        body = {"tokens": tokens, "purpose": "answer", "complaint": str(COMPLAINT), **more}
        return self.post("/open", body, role)

    def client(self) -> VaultClient:
        token_file = self.folder / "service.token"
        token_file.write_text(self.token("service"))
        transport = httpx.ASGITransport(self.api)
        return VaultClient(lambda: "http://test", token_file, transport)


@pytest.fixture
def door(start: Start, tmp_path: Path) -> Door:
    vault = start()
    (person,) = vault.find_or_make_persons(["13800138000"])
    holder: list[Door] = []

    async def accessed(accesses: Sequence[Access], by: str) -> None:
        await holder[0].accessed(accesses, by)

    async def persons_of(complaints: Sequence[UUID]) -> Mapping[UUID, UUID]:
        return {COMPLAINT: person} if COMPLAINT in complaints else {}

    in_thread: Callable[..., Awaitable[Any]] = asyncio.to_thread
    signing = make_signing_key(tmp_path)
    keys = JwksFile(tmp_path / "jwks.json", lambda: REAL_S)
    api = build_api(
        "intake",
        "Vault",
        "1.0.0",
        [routes(vault, in_thread, accessed, persons_of)],
        authenticator=Authenticator(keys, lambda: REAL_S),
        access=load_access_table(Path(__file__).parents[3] / "infra" / "access.v1.yaml"),
    )
    holder.append(Door(api, vault, signing, person, tmp_path))
    return holder[0]


def test_each_opening_is_on_record_with_its_purpose(door: Door) -> None:
    answer = door.open(*door.seal(WORDS, "张伟"))
    assert [item["text"] for item in answer.json()["items"]] == [WORDS, "张伟"]
    assert door.recorded == [
        (
            Access(person=door.person, complaint=COMPLAINT, purpose="answer", fields=("text",)),
            "system:routing",
        )
    ]


def test_nothing_is_handed_out_that_cannot_be_put_on_record(door: Door) -> None:
    tokens = door.seal(WORDS)
    door.failure = Unavailable()
    answer = door.open(*tokens)
    assert answer.status_code == 503
    assert WORDS not in answer.text


def test_words_are_sealed_for_the_person_of_a_complaint(door: Door) -> None:
    item = {"complaint": str(COMPLAINT), "field": "opinion", "text": WORDS}
    (token,) = door.post("/seal", {"items": [item]}).json()["tokens"]
    assert door.open(token).json()["items"][0]["text"] == WORDS
    assert door.recorded[0][0].person == door.person
    unknown = {**item, "complaint": str(uuid4())}
    assert door.post("/seal", {"items": [unknown]}).json()["rule"] == "complaint-unknown"
    nobody = {"person": str(uuid4()), "field": "opinion", "text": WORDS}
    assert door.post("/seal", {"items": [nobody]}).json()["rule"] == "person-unknown"
    both = {**item, "person": str(door.person)}
    assert door.post("/seal", {"items": [both]}).status_code == 422


@pytest.mark.parametrize("role", ["agent", "manager", "admin", "channel", "partner"])
def test_only_services_and_auditors_open(door: Door, role: str) -> None:
    (token,) = door.seal(WORDS)
    answer = door.open(token, role=role)
    assert answer.status_code == 403
    assert door.recorded == []


def test_what_is_locked_opens_for_an_auditor_and_what_is_destroyed_answers_410(door: Door) -> None:
    (token,) = door.seal(WORDS)
    door.vault.lock(door.person)
    refused = door.open(token)
    assert (refused.status_code, refused.json()["rule"]) == (403, "locked")
    assert door.open(token, role="auditor").json()["items"][0]["text"] == WORDS
    (later,) = door.seal("新的投诉")
    mixed = door.open(token, later).json()["items"]
    assert mixed == [
        {"text": None, "status": 403, "problem": "locked"},
        {"text": "新的投诉", "status": 200, "problem": None},
    ]
    door.vault.destroy(door.person, NOON)
    for role in ("service", "auditor"):
        gone = door.open(token, later, role=role)
        assert (gone.status_code, gone.json()["rule"]) == (410, "erased")
    assert [access.fields for access, _ in door.recorded] == [("text",), ("text",)]


@pytest.mark.parametrize(
    "change",
    [{"purpose": ""}, {"purpose": None}, {"purpose": "张伟"}, {"tokens": []},
     {"tokens": ["x" * 20]}, {"complaint": "13800138000"}],
)  # fmt: skip
def test_an_opening_without_a_purpose_or_a_token_is_refused(door: Door, change: Any) -> None:
    (token,) = door.seal(WORDS)
    body = {"tokens": [token], "purpose": "answer", **change}
    answer = door.post("/open", body)
    assert answer.status_code == 422
    assert "13800138000" not in answer.text
    assert door.recorded == []


def test_a_text_over_64_kib_is_told_so(door: Door) -> None:
    item = {"person": str(door.person), "field": "text", "text": "信" * 30_000}
    answer = door.post("/seal", {"items": [item]})
    assert (answer.status_code, answer.json()["rule"]) == (413, "text-too-long")


def test_the_client_seals_and_opens_in_batches(door: Door) -> None:
    async def story() -> None:
        client = door.client()
        texts = {f"note_{number}": f"{WORDS}{number}" for number in range(40)}
        tokens = await client.seal_many(COMPLAINT, texts)
        assert list(tokens) == list(texts)
        opened = await client.open_many(list(tokens.values()), "answer", COMPLAINT)
        assert opened == list(texts.values())
        assert await client.seal_many(COMPLAINT, {}) == {}
        assert await client.open_many([], "answer") == []
        with pytest.raises(VaultRefused) as caught:
            await client.seal_many(uuid4(), {"text": WORDS})
        assert WORDS not in f"{caught.value!r} {caught.value.__cause__!r}"
        await client.close()

    asyncio.run(story())


def test_a_services_own_token_that_is_no_good_is_no_fault_of_who_asks(door: Door) -> None:
    """The caller's request and token are good: not 422, nor 401 which is about theirs; later."""

    async def story() -> None:
        client = door.client()
        (sealed,) = (await client.seal_many(COMPLAINT, {"text": WORDS})).values()
        assert client.look(None) == []
        service = door.folder / "service.token"
        for bad in ("no.token.ofours", door.token("agent")):
            service.write_text(bad)
            with pytest.raises(ServiceTokenRefused) as caught:
                await client.seal_many(COMPLAINT, {"text": WORDS})
            with pytest.raises(ServiceTokenRefused):
                await client.open_many([sealed], "answer", COMPLAINT)
            problem = problem_of(caught.value)
            assert (problem.status, problem.rule) == (503, "service-token-refused")
            (told,) = client.look(None)
            assert "token" in told
            assert bad not in told + problem.detail
        service.write_text(door.token("service"))
        await client.seal_many(COMPLAINT, {"text": WORDS})
        assert client.look(None) == []
        await client.close()

    asyncio.run(story())


def test_a_batch_larger_than_a_request_is_split(door: Door) -> None:
    async def story() -> None:
        client = door.client()
        texts = {f"note_{number}": "信" * 20_000 for number in range(9)}
        tokens = await client.seal_many(COMPLAINT, texts)
        opened = await client.open_many(list(tokens.values()), "answer", COMPLAINT)
        assert opened == list(texts.values())
        await client.close()

    asyncio.run(story())


def test_whoever_asks_a_service_opens_with_their_own_rights_and_is_named(door: Door) -> None:
    tokens = door.seal(WORDS)
    door.vault.lock(door.person)

    async def story() -> None:
        client = door.client()
        theirs = f"Bearer {door.token('auditor')}"
        assert await client.open_many(tokens, "inquiry", COMPLAINT) == [None]
        assert await client.open_many(tokens, "inquiry", COMPLAINT, theirs) == [WORDS]
        with pytest.raises(NotAllowed):
            await client.open_many(tokens, "inquiry", COMPLAINT, f"Bearer {door.token('agent')}")
        assert client.look(None) == [], "their token is no fault of this service's"
        await client.close()

    asyncio.run(story())
    assert [by for _, by in door.recorded] == ["system:routing"]


def test_the_client_reads_what_is_erased_as_nothing(door: Door) -> None:
    tokens = door.seal(WORDS, WORDS)
    door.vault.destroy(door.person, NOON)

    async def story() -> None:
        client = door.client()
        assert await client.open_many(tokens, "answer", COMPLAINT) == [None, None]
        await client.close()

    asyncio.run(story())


def test_a_vault_that_is_away_is_unavailable() -> None:
    async def story() -> None:
        def away(request: httpx.Request) -> httpx.Response:
            raise httpx.ConnectError(f"no way to {json.loads(request.content)}")

        client = VaultClient(lambda: "http://test", None, httpx.MockTransport(away))
        with pytest.raises(Unavailable) as caught:
            await client.seal_many(COMPLAINT, {"text": WORDS})
        assert WORDS not in f"{caught.value!r} {caught.value.__cause__!r}"
        busy = VaultClient(
            lambda: "http://test", None, httpx.MockTransport(lambda _request: httpx.Response(503))
        )
        with pytest.raises(Unavailable):
            await busy.open_many(["bs1.xxxxxxxx"], "answer")

    asyncio.run(story())


def test_schemathesis_finds_nothing(door: Door) -> None:
    headers = {"Authorization": f"Bearer {door.token('service')}"}
    assert findings(door.api, headers, examples_max=5) == []


def test_a_service_that_opens_for_somebody_says_for_whom(door: Door) -> None:
    """DOMAIN, Audit: who read a person's data is on record, not only through which service."""
    tokens = door.seal(WORDS)
    assert door.open(*tokens, reader="auditor:a-1").is_success
    assert door.open(*tokens, reader="auditor:a-1", role="auditor").is_success
    assert [by for _, by in door.recorded] == ["auditor:a-1", "system:routing"]
    refused = door.open(*tokens, reader="欧阳")
    assert refused.status_code == 422
