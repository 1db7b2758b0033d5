"""Persons over HTTP: whom a number belongs to, locking and erasing on their request (PIPL).

A number never stands in a URL: it is asked for in a body, and every finding is on record.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from pydantic_core import from_json
from starlette.requests import Request
from starlette.responses import Response

from contracts.values import Reason
from libs.decider import Lookups, NotFound, To
from libs.eventlog.purging import StreamWithheld
from libs.vault.routes import Access, Accessed, Purpose
from libs.vault.store import Vault
from libs.web import Ask, Caller, Page, PageQuery, Paging, Router, allow, command, page_of
from services.intake import views
from services.intake.api import Querying
from services.intake.domain.identity import subscriber_key
from services.intake.domain.matching import CONTACTS
from services.intake.domain.merging import COMPLAINTS
from services.intake.domain.person import Erase, Lock
from services.intake.standing_holds import is_held


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


class RecordsAsked(PageQuery):
    """What for."""

    purpose: Purpose


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
    sought: Callable[[str, str], Awaitable[None]],
    carried_out: Callable[[], bool],
) -> Router:
    """Finding, showing, locking and erasing; `in_thread` runs a blocking call beside the loop.

    `sought` puts on record that somebody asked in vain, what for and who; `carried_out` waits a
    little until the vault has followed what is on record.
    """
    router = Router(prefix="/persons", tags=["persons"])

    @router.post("/find")
    async def find(body: Finding, caller: Annotated[Caller, allow("vault.find")]) -> Found:
        """Whose number it is: a query, on record with its purpose, also when nobody has it."""
        (person,) = await in_thread(vault.find_persons, [subscriber_key(body.number)])
        if person is None:
            await sought(body.purpose, caller.actor)
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
        person: UUID, purpose: Purpose, caller: Annotated[Caller, allow("vault.erase")]
    ) -> views.PersonShown:
        """A person's complaints and refused messages, and whether the data is locked or destroyed.

        That they were looked at is on record, with the purpose.
        """
        found: views.PersonShown | None = await query(views.person_by_id, person)
        if found is None:
            raise PersonUnseen
        await accessed([_seen(person, purpose, "complaints")], caller.actor)
        return found

    @router.get("/{person}/records")
    async def records(
        request: Request,
        person: UUID,
        page: Annotated[RecordsAsked, Query()],
        caller: Annotated[Caller, allow("vault.erase")],
    ) -> Page[JsonValue]:
        """Who opened a person's data and what for, when it was locked and destroyed: each event as
        it is on record, this very reading included.
        """
        if await query(views.person_by_id, person) is None:
            raise PersonUnseen
        await accessed([_seen(person, page.purpose, "accesses")], caller.actor)
        after = page.after(int)
        rows = await query(views.person_records, person, after[0] if after else 0, page.limit)
        shown, following = page_of(request, rows, page.limit, lambda one: (one[0],))
        return Page(items=[from_json(state) for _, state in shown], next=following)

    async def decided(kind: type[Lock], person: UUID, body: Basis, ask: Ask) -> Response:
        afresh = await in_thread(vault.readable, person)
        now = ask.now

        def chosen(lookups: Lookups) -> Sequence[To]:
            own, others = settled_complaints_of(person, lookups)
            told = kind(at=now, basis=body.basis, complaints=own, others=others, afresh=afresh)
            if isinstance(told, Erase) and is_held(person, (), lookups):
                told = told.model_copy(update={"held": True})
            return [To(str(person), told)]

        answer = await ask(chosen)
        await in_thread(carried_out)
        return answer

    @router.command("/{person}/lock")
    async def lock(
        person: UUID, body: Basis, ask: Annotated[Ask, command("vault.erase")]
    ) -> Response:
        """Lock the data to storage: operations cannot read it, an auditor only with a purpose.

        Again, it also locks what was said since.
        """
        return await decided(Lock, person, body, ask)

    @router.command("/{person}/erase")
    async def erase(
        person: UUID, body: Basis, ask: Annotated[Ask, command("vault.erase")]
    ) -> Response:
        """Lock the data now; destroy it once no complaint of the person keeps it any more."""
        return await decided(Erase, person, body, ask)

    return router


def _seen(person: UUID, purpose: str, field: str) -> Access:
    return Access(person=person, complaint=None, purpose=purpose, fields=(field,))


def settled_complaints_of(
    person: UUID, lookups: Lookups
) -> tuple[tuple[UUID, ...], tuple[UUID, ...]]:
    """The same as `complaints_of`, to decide what becomes of the key.

    Raises StreamWithheld while a purge withholds one of them: it may go, or stay and keep the key.
    """
    own, others = complaints_of(person, lookups)
    if any(lookups.withheld(str(one)) for one in (*own, *others)):
        raise StreamWithheld
    return own, others


def complaints_of(person: UUID, lookups: Lookups) -> tuple[tuple[UUID, ...], tuple[UUID, ...]]:
    """A person's complaints, and other people's that hold their words.

    Words are there because the person spoke on another's complaint, or because a complaint of
    theirs was merged into it, however often.
    """
    own = {row["complaint"] for row in lookups.rows(COMPLAINTS, person=person)}
    found: set[UUID] = set()
    todo = own | {row["complaint"] for row in lookups.rows(CONTACTS, person=person)}
    while todo:
        found |= todo
        rows = [row for one in sorted(todo) for row in lookups.rows(COMPLAINTS, complaint=one)]
        todo = {row["merged_into"] for row in rows if row["merged_into"] is not None} - found
    return tuple(sorted(own)), tuple(sorted(found - own))
