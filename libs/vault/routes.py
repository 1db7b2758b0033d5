"""Sealing and opening over HTTP, for the other services and the gateways; never keys."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field

from libs.decider import DomainError, NotFound
from libs.vault.store import Opened, Vault, accesses
from libs.web.access import AccessTable, allow
from libs.web.auth import Caller
from libs.web.routing import Router

OPEN_LOCKED = "vault.open_locked"
"""The action of opening what is locked to storage: an auditor's (DOMAIN, Audit and retention)."""

SERVICE = "service"
"""The role that opens for somebody else and says for whom."""

ITEMS_MAX = 100
TEXT_CHARACTERS_MAX = 64 * 1024

Text = Annotated[str, Field(min_length=1, max_length=TEXT_CHARACTERS_MAX)]
Sealed = Annotated[str, Field(min_length=10, max_length=128 * 1024)]
Purpose = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.:-]*$", max_length=64)]
FieldName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]

Accessed = Callable[[Sequence["Access"], str], Awaitable[None]]
"""Puts accesses on record (`person.accessed`), by whom; before anything is handed out."""


class Access(BaseModel):
    """One person's data opened: which fields, for which complaint, what for."""

    person: UUID
    complaint: UUID | None
    purpose: str
    fields: tuple[str, ...]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ForPerson(_Body):
    """One plaintext: whose it is, and what field."""

    person: UUID
    field: FieldName
    text: Text


class ForComplaint(_Body):
    """One plaintext: about which complaint, for its person, and what field."""

    complaint: UUID
    field: FieldName
    text: Text


class SealRequest(_Body):
    """Plaintexts to be sealed."""

    items: Annotated[list[ForPerson | ForComplaint], Field(min_length=1, max_length=ITEMS_MAX)]


class SealAnswer(_Body):
    """One token an item, in order."""

    tokens: list[str]


class OpenRequest(_Body):
    """Tokens to be opened, and what for."""

    tokens: Annotated[list[Sealed], Field(min_length=1, max_length=ITEMS_MAX)]
    purpose: Purpose
    complaint: UUID | None = None
    reader: (
        Annotated[str, Field(pattern=r"^[a-z][a-z_]{1,31}:[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")] | None
    ) = Field(None, description="for whom a service opens them: that pseudonym goes on record")


class OpenedItem(_Body):
    """One token's plaintext, or why it did not open."""

    text: str | None = None
    status: int = 200
    problem: str | None = None


class OpenAnswer(_Body):
    """One answer a token, in order."""

    items: list[OpenedItem]


PersonsOf = Callable[[Sequence[UUID]], Awaitable[Mapping[UUID, UUID]]]
"""The person of each complaint that is known."""


class ComplaintUnseen(NotFound):
    """No complaint with this id is on record here."""

    rule = "complaint-unknown"
    zh = "没有找到该投诉"


def routes(
    vault: Vault,
    in_thread: Callable[..., Awaitable[Any]],
    accessed: Accessed,
    persons_of: PersonsOf,
) -> Router:
    """POST /seal and POST /open; `in_thread` runs a blocking call beside the event loop."""
    router = Router(tags=["vault"])

    @router.post("/seal")
    async def seal(
        body: SealRequest, _caller: Annotated[Caller, allow("vault.seal")]
    ) -> SealAnswer:
        """Seals plaintexts under their persons' keys."""
        complaints = [one.complaint for one in body.items if isinstance(one, ForComplaint)]
        persons = await persons_of(complaints) if complaints else {}
        if not set(complaints) <= persons.keys():
            raise ComplaintUnseen
        items = [
            (
                one.person if isinstance(one, ForPerson) else persons[one.complaint],
                one.field,
                one.text,
            )
            for one in body.items
        ]
        return SealAnswer(tokens=await in_thread(lambda: vault.seal_many(items, known_only=True)))

    @router.post("/open")
    async def open_(
        body: OpenRequest, caller: Annotated[Caller, allow("vault.open")], request: Request
    ) -> OpenAnswer:
        """Opens tokens for a stated purpose; each opening is on record before it is answered.

        A token that stays closed says why in its place: 410 erased, 403 locked, 422 no token,
        409 its key is damaged.
        When all stay closed for one reason, that is the answer's status.
        """
        access: AccessTable = request.app.state.access
        locked_too = access.permits(caller.roles, OPEN_LOCKED)
        opened: list[Opened] = await in_thread(
            lambda: vault.open_many(body.tokens, locked_too=locked_too)
        )
        reader = body.reader if SERVICE in caller.roles and body.reader else caller.actor
        await accessed(_accesses(body, opened), reader)
        refused = [one for one in opened if isinstance(one, DomainError)]
        if len(refused) == len(opened) and len({one.status for one in refused}) == 1:
            raise refused[0]
        return OpenAnswer(items=[_shown(one) for one in opened])

    return router


def _shown(one: Opened) -> OpenedItem:
    if isinstance(one, DomainError):
        return OpenedItem(status=one.status, problem=one.rule)
    return OpenedItem(text=one.text)


def _accesses(body: OpenRequest, opened: Sequence[Opened]) -> list[Access]:
    """Which persons' fields were really opened."""
    return [
        Access(person=person, complaint=body.complaint, purpose=body.purpose, fields=fields)
        for person, fields in accesses(opened).items()
    ]
