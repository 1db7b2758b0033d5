"""Persons over HTTP: whom a number belongs to, locking and erasing on their request (PIPL).

A number never stands in a URL: it is asked for in a body, and every asking is on record.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from contracts.values import Reason
from libs.decider import Lookups, NotFound, To
from libs.vault.routes import Access, Accessed, Purpose
from libs.vault.store import Vault
from libs.web import Ask, Caller, Page, Paging, Router, allow, command, page_of
from services.intake import views
from services.intake.api import Querying
from services.intake.domain.identity import subscriber_key
from services.intake.domain.merging import COMPLAINTS
from services.intake.domain.person import Erase, Lock


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class Finding(_Body):
    """Whose number it is, and what for."""

    number: Annotated[str, Field(min_length=1, max_length=64, repr=False)]
    """A telephone number or an account, however it is written."""
    purpose: Purpose
    """What for; it goes on record."""


class Found(_Body):
    """The person behind a number."""

    person: UUID
    """The random id under which everything of the person is on record."""


class Basis(_Body):
    """On what ground."""

    basis: Reason
    """E.g. `asked_by_the_person`, `purpose_lapsed`."""


class NumberUnknown(NotFound):
    """No person has this number on record; after an erasure it leads to nobody."""

    rule = "number-unknown"
    zh = "没有该号码对应的客户记录"


class PersonUnseen(NotFound):
    """No person with this id is on record."""

    rule = "person-unseen"
    zh = "没有该客户的记录"


def person_routes(
    query: Querying,
    vault: Vault,
    in_thread: Callable[..., Awaitable[Any]],
    accessed: Accessed,
) -> Router:
    """Finding, showing, locking and erasing; `in_thread` runs a blocking call beside the loop."""
    router = Router(prefix="/persons", tags=["persons"])

    @router.post("/find")
    async def find(body: Finding, caller: Annotated[Caller, allow("vault.find")]) -> Found:
        """Whose number it is: a query, on record with its purpose."""
        (person,) = await in_thread(vault.find_persons, [subscriber_key(body.number)])
        if person is None:
            raise NumberUnknown
        access = Access(person=person, complaint=None, purpose=body.purpose, fields=("number",))
        await accessed([access], caller.actor)
        return Found(person=person)

    @router.get("/erasures")
    async def erasures(
        request: Request, page: Paging, _caller: Annotated[Caller, allow("vault.erase")]
    ) -> Page[views.ErasureShown]:
        """Persons whose data is locked or destroyed, and what still keeps it; oldest first."""
        rows: Sequence[views.ErasureShown] = await query(
            views.erasures, page.after(datetime, UUID), page.limit
        )
        shown, following = page_of(request, rows, page.limit, lambda row: (row.since, row.person))
        return Page(items=list(shown), next=following)

    @router.get("/{person}")
    async def show(
        person: UUID, _caller: Annotated[Caller, allow("vault.erase")]
    ) -> views.PersonShown:
        """A person's complaints, and whether the data is locked or destroyed."""
        found: views.PersonShown | None = await query(views.person_by_id, person)
        if found is None:
            raise PersonUnseen
        return found

    @router.command("/{person}/lock")
    async def lock(
        person: UUID, body: Basis, ask: Annotated[Ask, command("vault.erase")]
    ) -> Response:
        """Lock the data to storage: operations cannot read it, an auditor only with a purpose."""
        await in_thread(vault.check, person)
        now = ask.now

        def chosen(lookups: Lookups) -> Sequence[To]:
            told = Lock(at=now, basis=body.basis, complaints=complaints_of(person, lookups))
            return [To(str(person), told)]

        return await ask(chosen)

    @router.command("/{person}/erase")
    async def erase(
        person: UUID, body: Basis, ask: Annotated[Ask, command("vault.erase")]
    ) -> Response:
        """Lock the data now; destroy it once no complaint of the person keeps it any more."""
        await in_thread(vault.check, person)
        now = ask.now

        def chosen(lookups: Lookups) -> Sequence[To]:
            told = Erase(at=now, basis=body.basis, complaints=complaints_of(person, lookups))
            return [To(str(person), told)]

        return await ask(chosen)

    return router


def complaints_of(person: UUID, lookups: Lookups) -> tuple[UUID, ...]:
    """All complaints of a person, and those they were merged into: they hold the same words."""
    rows = lookups.rows(COMPLAINTS, person=person)
    ids = {row["complaint"] for row in rows} | {
        row["merged_into"] for row in rows if row["merged_into"] is not None
    }
    return tuple(sorted(ids))
