"""Bundles over HTTP: one complaint or one period, sealed, or opened for a purpose on record."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Annotated, Any
from uuid import UUID

from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from contracts.values import Instant, Reason
from libs.decider import NotFound
from libs.messaging.app import App
from libs.vault.client import VaultClient
from libs.web import Caller, Router, allow
from services.audit.cold.records import Reading
from services.audit.domain.policy import WORDS, Words
from services.audit.evidence.bundle import Content, TooLarge, assemble
from services.audit.evidence.gather import TooMuch, of_complaint, of_period
from services.audit.handed_out import put_on_record
from services.audit.signing import CheckpointKey

TOKEN = re.compile(rb"bs1\.[A-Za-z0-9_-]+")
ZIP = "application/zip"
OLDEST, NEWEST = datetime(1900, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
"""Of a period; an instant beyond may have no name in UTC."""
HARMED = "bihuan-harmed"
"""How many of its events are not as they were sealed; the bundle's verifier names each."""


class NothingSigns(NotFound):
    """This audit seals no checkpoints, so it can prove nothing; set BIHUAN_CHECKPOINT_KEY_FILE."""

    rule = "nothing-signs"
    zh = "未设置检查点密钥,无法出具证据"


class BundleAsked(BaseModel):
    """What is to be bundled: a complaint, or what was recorded in [since, until)."""

    model_config = ConfigDict(extra="forbid")
    complaint: UUID | None = None
    since: Annotated[Instant, Field(ge=OLDEST, lt=NEWEST)] | None = None
    until: Annotated[Instant, Field(ge=OLDEST, lt=NEWEST)] | None = None
    size: Annotated[int, Field(ge=1, lt=10**18)] | None = Field(
        default=None, description="the checkpoint to prove against; the newest, if none is named"
    )
    purpose: Reason = Field(description="what for; kept on record")

    @model_validator(mode="after")
    def _one_thing(self) -> "BundleAsked":
        period = self.since is not None and self.until is not None
        named = self.complaint is not None
        if named == period or (self.since is None) != (self.until is None):
            raise ValueError("name a complaint, or since and until")
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise ValueError("since is before until")
        return self


def bundle_routes(
    app: App, reading: Reading, vault: VaultClient, key: CheckpointKey | None
) -> Router:
    """Routes that hand out evidence, signed with the key that seals the checkpoints."""
    router = Router(tags=["evidence"])
    documented: Mapping[int | str, Any] = {
        200: {"content": {ZIP: {"schema": {"type": "string", "format": "binary"}}}}
    }

    @router.post("/bundles", response_class=Response, responses=dict(documented))
    async def bundle(
        body: BundleAsked, caller: Annotated[Caller, allow("audit.bundle")]
    ) -> Response:
        """A bundle without anything of persons but sealed tokens; its making is on record."""
        content = await _content(reading, body, _signing(key))
        return await _handed_out(app, body, caller, content, _signing(key))

    @router.post("/bundles/opened", response_class=Response, responses=dict(documented))
    async def bundle_opened(
        body: BundleAsked,
        caller: Annotated[Caller, allow("audit.bundle_opened")],
        request: Request,
    ) -> Response:
        """The same with the sealed texts opened; each opening, and the bundle, are on record.

        Opened with the rights of whoever asks: what is locked to storage too, for an auditor.
        """
        content = await _content(reading, body, _signing(key))
        found = {
            token.decode(): None for one in content.events for token in TOKEN.findall(one.state)
        }
        tokens = sorted(found)
        theirs = request.headers["authorization"]
        texts = await vault.open_many(tokens, body.purpose, body.complaint, theirs)
        opened = replace(content, opened=dict(zip(tokens, texts, strict=True)))
        return await _handed_out(app, body, caller, opened, _signing(key))

    return router


def _signing(key: CheckpointKey | None) -> CheckpointKey:
    if key is None:
        raise NothingSigns
    return key


async def _content(reading: Reading, body: BundleAsked, key: CheckpointKey) -> Content:
    app = reading.app
    words: Words = app.writer.policies.in_force(WORDS, app.clock.now()).compiled
    if body.complaint is not None:
        return await reading.query(of_complaint, body.complaint, body.size, words, key.public)
    return await reading.query(of_period, body.since, body.until, body.size, words, key.public)


async def _handed_out(
    app: App, body: BundleAsked, caller: Caller, content: Content, key: CheckpointKey
) -> Response:
    try:
        data = await app.beside(assemble, content, key)
    except TooLarge as error:
        raise TooMuch(f"{error}; ask for a shorter period.") from error
    digest = sha256(data).hexdigest()
    what = "evidence_bundle" if content.opened is None else "evidence_bundle_opened"
    about = () if body.complaint is None else (body.complaint,)
    await put_on_record(app, caller, what, digest, body.purpose, about)
    headers = {"digest": f"sha-256={digest}", HARMED: str(content.harmed)}
    return Response(data, media_type=ZIP, headers=headers)
