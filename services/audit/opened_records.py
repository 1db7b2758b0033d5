"""客户投诉记录表 with the customers' own words in it: opened for a purpose, and put on record."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from hashlib import sha256
from itertools import islice
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import from_json
from starlette.requests import Request
from starlette.responses import Response

from contracts.intake import ComplaintRegistered
from contracts.routing import WorkAnswered, WorkReportedBack
from contracts.values import Reason
from libs.decider import Refused
from libs.messaging.app import App
from libs.sheets import FORMATS, Format, Sheet, written
from libs.vault.client import VaultClient
from libs.web import Caller, Router, allow
from services.audit.cold.records import Reading, Records
from services.audit.domain.reporting import REPORTS, Period, told_in, with_words
from services.audit.facts import live_facts
from services.audit.handed_out import put_on_record
from services.audit.reports import BadPeriod

OPENED_MAX = 500
"""So many people's words are opened at once, and no more."""

READ = (ComplaintRegistered.type, WorkReportedBack.type, WorkAnswered.type)
"""The events whose words stand in the form; of the last two the newest."""

Tokens = Mapping[str, Sequence[str]]
"""The form's column -> the sealed tokens that stand there."""


class TooManyToOpen(Refused):
    """More than 500 complaints; open fewer at once, by a shorter period."""

    rule = "too-many-to-open"
    zh = "一次最多解封500件投诉,请缩短起止日期"


class OpenedAsked(BaseModel):
    """Of which days, how it is written, and what for."""

    model_config = ConfigDict(extra="forbid")
    first: date = Field(alias="from", description="the first day, in Shanghai")
    last: date = Field(alias="to", description="the last day; it is part of the form")
    format: Format = Field(Format.JSON, description="how it is written")
    purpose: Reason = Field(description="what for; kept on record")


def routes(app: App, reading: Reading, vault: VaultClient) -> Router:
    """The form's route."""
    router = Router(tags=["reports"])
    content: Mapping[int | str, Any] = {200: {"content": {kind: {} for kind in FORMATS.values()}}}

    @router.post("/reports/records/opened", response_class=Response, responses=dict(content))
    async def opened_records(
        body: OpenedAsked,
        caller: Annotated[Caller, allow("audit.report_opened")],
        request: Request,
    ) -> Response:
        """The complaint record with what is sealed in it; each opening, and the form, is on record.

        Opened with the rights of whoever asks: what is locked to storage too, for an auditor. What
        has been erased stays marked.
        """
        try:
            period = Period.asked(body.first, body.last)
        except ValueError as error:
            raise BadPeriod from error
        sheet, sealed = await reading.query(_form, period)
        opened, theirs = [], request.headers["authorization"]
        for complaint, tokens in sealed:
            opened.append(await _opened(vault, complaint, tokens, body.purpose, theirs))
        told = written(with_words(sheet, opened), body.format)
        digest, about = sha256(told).hexdigest(), [complaint for complaint, _ in sealed]
        await put_on_record(app, caller, "records_opened", digest, body.purpose, about)
        return Response(told, media_type=FORMATS[body.format])

    return router


async def _opened(
    vault: VaultClient, complaint: UUID, tokens: Tokens, purpose: str, authorization: str
) -> Mapping[str, str]:
    places = [(column, token) for column, found in tokens.items() for token in found]
    if not places:
        return {}
    sealed = [token for _, token in places]
    texts = await vault.open_many(sealed, purpose, complaint, authorization)
    words: dict[str, list[str]] = {}
    for (column, _), text in zip(places, texts, strict=True):
        if text is not None:
            words.setdefault(column, []).append(text)
    return {column: " ".join(found) for column, found in words.items()}


def _form(records: Records, period: Period) -> tuple[Sheet, list[tuple[UUID, Tokens]]]:
    """The form, and of each of its lines the complaint and what is sealed in it."""
    with live_facts(records.conn) as facts:
        first = islice(told_in(facts, period), OPENED_MAX + 1)
        complaints = [one["complaint"] for one in first]
        if len(complaints) > OPENED_MAX:
            raise TooManyToOpen
        sheet = REPORTS["records"](facts, period)
        sheet = replace(sheet, rows=list(sheet.rows))
        read = records.of([str(one) for one in complaints], kinds=READ)
        found = sorted(
            (READ.index(one.type), one.sequence, one.subject, one) for one in read if one.sequence
        )
    sealed: dict[str, dict[str, Sequence[str]]] = {}
    for _, _, subject, one in found:
        sealed.setdefault(subject, {}).update(_tokens(one.type, one.state))
    return sheet, [(one, sealed.get(str(one), {})) for one in complaints]


def _tokens(kind: str, state: bytes) -> Tokens:
    data = from_json(state)["data"]
    if kind == ComplaintRegistered.type:
        told = data["registration"]
        address = (told["correspondent"]["reply_to"] or {}).get("address")
        customer = [one for one in (told["sender_name"], address) if one is not None]
        return {"customer": customer, "words": [told["summary"]]}
    opinion = data["opinion" if kind == WorkReportedBack.type else "explanation"]
    return {"opinion": [opinion]}
