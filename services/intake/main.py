"""Puts intake together: the door, the vault behind it, and the streams of complaints."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from contracts.catalogue import DECODE
from contracts.policy_words import NAMES
from contracts.runtime import ACCESS, HOUSEKEEPING
from contracts.upcasters import UPCASTERS
from libs.decider import Recorded, Row, To
from libs.eventlog.envelope import Origin
from libs.eventlog.policies import read_policies
from libs.eventlog.service import Service
from libs.eventlog.work import Work
from libs.messaging.access import following, owned
from libs.messaging.app import App, Interface
from libs.messaging.channel import RawMessage
from libs.messaging.operations import operations
from libs.messaging.policy_routes import policy_routes
from libs.timekeeping.clock import Clock
from libs.vault import routes as vault_routes
from libs.vault.routes import Access
from libs.vault.store import Vault, read_master_key
from libs.web import Router
from services.intake import api, lapsing, reactions, standing_holds, views
from services.intake.access import access_routes
from services.intake.config import Settings
from services.intake.destroying import Destroying
from services.intake.domain import rows
from services.intake.domain.matching import NOTICES, OPEN, RECEIPTS
from services.intake.domain.person import RecordAccess
from services.intake.domain.policy import compile_policy
from services.intake.domain.search import RecordSearch, subject_of
from services.intake.domain.vetting import vet_policy
from services.intake.door import IntakeDoor
from services.intake.erasures import Decided, Erasures
from services.intake.persons import person_routes
from services.intake.unread import Unread


def describe() -> Service:
    """The service as the runtime sees it."""
    service = Service(
        name="intake",
        deciders=rows.DECIDERS,
        types=DECODE,
        upcasts=UPCASTERS,
        housekeeping=HOUSEKEEPING,
        hears=frozenset(event.type for event in reactions.HEARD),
        react=reactions.react,
        heard_rows=_heard_rows,
        tables=(*views.TABLES, standing_holds.TABLE),
        compile_policy=compile_policy,
        vet_policy=vet_policy,
        names=NAMES,
        seed_policies=read_policies(Path(__file__).parent / "policy"),
        also_purge=lapsing.note,
        also_moved=lapsing.awaited,
        withheld_is_gone=frozenset({NOTICES, OPEN, RECEIPTS}),
        stays=reactions.stays,
        ddl=lapsing.DDL,
    )
    return following(owned(service), ACCESS)


def _heard_rows(recorded: Recorded[Any]) -> Iterable[Row]:
    return (*rows.heard_rows(recorded), *standing_holds.heard_rows(recorded))


def build(settings: Settings, clock: Clock) -> App:
    """One instance of intake."""
    vault = Vault(settings.vault_dsn.get_secret_value(), read_master_key(settings.vault_key_file))

    def door(app: App) -> IntakeDoor:
        return IntakeDoor(vault, lambda: app.writer.policies, clock)

    interface = Interface(
        title="Bihuan Intake 受理",
        version="0.1.0",
        routers=lambda app: _routers(app, vault, erasures),
    )

    def on_record() -> Sequence[Decided]:
        with app.store.connection() as connection:
            return views.decided_erasures(connection)

    erasures = Erasures(vault, on_record)

    app = App(
        describe(),
        settings,
        clock,
        interface,
        make_door=door,
        opening=[vault.start, erasures.start],
        closing=[erasures.stop, vault.close],
    )
    app.writer.on_commit.append(erasures.committed)
    app.chores.append(lapsing.Lapsing(app))
    app.chores.append(Destroying(app))
    unread = Unread(app, vault)
    app.writer.on_commit.append(unread.committed)
    app.chores.append(unread)
    return app


def _routers(app: App, vault: Vault, erasures: Erasures) -> Sequence[Router]:
    async def tell(
        raw: RawMessage,
    ) -> tuple[Mapping[str, Any], Sequence[Recorded[Any]]]:
        assert app.channel is not None
        return await app.in_thread(app.channel.take_one, raw)

    async def accessed(accesses: Sequence[Access], by: str) -> None:
        if accesses:
            await app.in_thread(app.writer.transact, lambda work: _record(work, accesses, by))

    async def sought(purpose: str, by: str) -> None:
        def record(work: Work) -> None:
            command = RecordSearch(at=work.now, by=by, purpose=purpose)
            to = To(subject_of(work.now), command)
            work.apply(to, Origin(causation="request", actor=by))

        await app.in_thread(app.writer.transact, record)

    async def persons_of(complaints: Sequence[UUID]) -> Mapping[UUID, UUID]:
        return await app.query(views.persons_of, complaints)

    return (
        *api.routes(app.query, tell, lambda: app.writer.policies),
        vault_routes.routes(vault, app.beside, accessed, persons_of),
        person_routes(app.query, vault, app.beside, accessed, sought, erasures.wait),
        access_routes(app),
        policy_routes(app.service, app.query),
        operations(app),
    )


def _record(work: Work, accesses: Sequence[Access], by: str) -> None:
    """Every access to personal data is itself recorded, with its purpose (DOMAIN, Audit)."""
    for access in accesses:
        command = RecordAccess(
            at=work.now,
            complaint=access.complaint,
            by=by,
            purpose=access.purpose,
            fields=access.fields,
        )
        work.apply(To(str(access.person), command), Origin(causation="request", actor=by))
