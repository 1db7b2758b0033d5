"""Puts the audit service together: the only module that knows all its rooms."""

import logging
import tempfile
from datetime import timedelta
from pathlib import Path

from prometheus_client import CollectorRegistry

from contracts.catalogue import DECODE
from contracts.policy_words import NAMES
from contracts.runtime import ACCESS, HOUSEKEEPING
from contracts.upcasters import UPCASTERS
from libs.eventlog.policies import read_policies
from libs.eventlog.service import Service
from libs.messaging import access
from libs.messaging.app import App, Interface
from libs.messaging.operations import operations
from libs.messaging.policy_routes import policy_routes
from libs.timekeeping.clock import Clock
from libs.vault.client import VaultClient
from libs.web.routing import Router
from replay import what_if
from replay.state import state_at
from services.audit import (
    access_log,
    api,
    archive,
    export,
    handing,
    knowing,
    legal_holds,
    letting_go,
    opened_records,
    printing,
    purging,
    reactions,
    reports,
    tiles,
    timestamps,
    trimming,
    trying,
    views,
)
from services.audit.cold import records
from services.audit.cold.refiling import Refiler
from services.audit.cold.routes import Cold
from services.audit.cold.routes import routes as archive_routes
from services.audit.cold.store import S3Access, Store, open_store
from services.audit.comparing import Comparer
from services.audit.config import Settings
from services.audit.domain.checkpoint import CHECKPOINTS
from services.audit.domain.cohorts import COHORTS
from services.audit.domain.connections import CONNECTIONS
from services.audit.domain.exporting import EXPORTS
from services.audit.domain.holds import HOLDS, STANDING_HOLDS, PlaceHold
from services.audit.domain.policy import compile_policy
from services.audit.domain.purging import PURGES
from services.audit.evidence.routes import bundle_routes
from services.audit.lived_time import Witness
from services.audit.sealing import Sealer
from services.audit.signing import CheckpointKey, open_key, open_purge_key

log = logging.getLogger("bihuan.audit")

TRIAL = trying.Trial(
    source=what_if.SOURCE,
    names=(what_if.CLOCKS, what_if.WORKING_DAYS),
    candidate=what_if.candidate,
    policies_of=what_if.policies_of,
    what_if=what_if.what_if,
    nothing=what_if.Answer,
)
"""Replay decides again, audit asks: no service knows another's rules."""


def describe(registry: CollectorRegistry | None = None) -> Service:
    """The service as the runtime sees it: it keeps everything, counts it, and seals it."""
    kept = archive.Archive(registry or CollectorRegistry())
    service = Service(
        name="audit",
        deciders=(HOLDS, STANDING_HOLDS, CHECKPOINTS, CONNECTIONS, EXPORTS, COHORTS, PURGES),
        types=DECODE,
        upcasts=UPCASTERS,
        housekeeping=HOUSEKEEPING,
        hears=frozenset(event.type for event in reactions.HEARD),
        react=reactions.react,
        stays=reactions.stays,
        heard_rows=lambda heard: (
            *views.heard_rows(heard),
            *reports.heard_rows(heard),
            *access_log.heard_rows(heard),
            *letting_go.heard_rows(heard),
        ),
        tables=(
            *views.TABLES,
            *legal_holds.TABLES,
            *letting_go.TABLES,
            records.ARCHIVED_TABLE,
            records.BROUGHT_BACK_TABLE,
            access_log.TABLE,
            *reports.FACT_TABLES,
        ),
        archive=kept.keep,
        also_purge=kept.purge,
        also_moved=archive.moved_on,
        frees=(PlaceHold,),
        archive_rebuilt=tiles.rebuilt,
        compile_policy=compile_policy,
        names=NAMES,
        seed_policies=read_policies(Path(__file__).parent / "policy"),
        ddl=(*archive.DDL, *export.DDL),
        kept=(*archive.KEPT, *tiles.KEPT),
    )
    return access.following(service, ACCESS)


def build(settings: Settings, clock: Clock) -> App:
    """One instance of the service."""
    registry = CollectorRegistry()
    store = _store(settings)
    key_file = settings.checkpoint_key_file
    key = None if key_file is None else open_key(key_file, settings.checkpoint_origin)

    def routers(app: App) -> tuple[Router, ...]:
        reading = records.Reading(app, store)
        witness = Witness(app.store, app.registry)
        app.opening.append(witness.start)
        app.closing.append(witness.stop)
        app.looking.append(witness.look)
        cold = Cold(app, reading, witness)
        trimmer = trimming.Trimmer(app, store, settings.log_trim_hours)
        app.opening.append(trimmer.start)
        app.closing.append(trimmer.stop)
        app.closing.append(cold.stop)
        prover = api.Prover(app, settings, store)
        path = settings.purge_key_file
        office = letting_go.Office(app, None if path is None else open_purge_key(path), witness)
        refiler = Refiler(app, cold)
        app.chores += [letting_go.Signer(app, office, refiler.bring_back), refiler]
        app.closing.append(prover.stop)
        vault = VaultClient(lambda: settings.intake_url, settings.service_token_file)
        app.letting_go.append(vault.close)
        app.looking.append(vault.look)
        return (
            *api.routes(app, reading, prover),
            bundle_routes(app, reading, vault, key),
            *knowing.routes(app, reading, state_at),
            *printing.routes(app, reading),
            handing.routes(app, reading),
            access_log.routes(app),
            legal_holds.routes(app),
            purging.routes(app, office),
            *trying.routes(app, reading, TRIAL),
            archive_routes(cold, trimmer),
            reports.routes(app),
            opened_records.routes(app, reading, vault),
            policy_routes(app.service, app.query),
            operations(app),
        )

    interface = Interface(
        title="Bihuan audit 审计",
        version="0.1.0",
        description="Every byte of the log: told as a timeline, counted, and proven again.",
        routers=routers,
    )
    app = App(describe(registry), settings, clock, interface, registry=registry)
    _seal(app, settings, store, key)
    comparer = Comparer(
        app,
        state_at,
        urls=lambda: settings.compared_with,
        token_file=settings.service_token_file,
        every_seconds=settings.compare_seconds,
        store=store,
        registry=registry,
    )
    app.opening.append(comparer.start)
    app.looking.append(comparer.look)
    app.letting_go.append(comparer.stop)
    return app


def _store(settings: Settings) -> Store:
    """Where months' files lie."""
    access = S3Access(
        settings.archive_bucket_endpoint,
        settings.archive_bucket_region,
        settings.archive_bucket_key_id.get_secret_value(),
        settings.archive_bucket_secret.get_secret_value(),
    )
    cache = settings.archive_cache or Path(tempfile.gettempdir()) / "bihuan-archive"
    return open_store(settings.archive_store, access, cache, settings.archive_cache_mb * 1024**2)


def _seal(app: App, settings: Settings, store: Store, key: CheckpointKey | None) -> None:
    """Checkpoints, where there is a key to sign them with."""
    if key is None:
        log.warning("no checkpoints are sealed: BIHUAN_CHECKPOINT_KEY_FILE is not set")
        return
    targets: list[export.Target] = []
    if settings.checkpoint_drop is not None:
        targets.append(export.Drop(settings.checkpoint_drop))
    if settings.checkpoint_webhook:
        targets.append(export.Webhook(settings.checkpoint_webhook))
    if settings.checkpoint_tsa:
        if settings.checkpoint_drop is None:
            raise ValueError(
                "BIHUAN_CHECKPOINT_TSA needs BIHUAN_CHECKPOINT_DROP: its answers go there"
            )
        targets.append(
            timestamps.Timestamps(
                settings.checkpoint_tsa, settings.checkpoint_drop, settings.checkpoint_tsa_roots
            )
        )
    exporter = export.Exporter(app, targets, app.registry, store)
    sealer = Sealer(
        app,
        key,
        origin=settings.checkpoint_origin,
        every=timedelta(minutes=settings.checkpoint_minutes),
        store=store,
        sealed=exporter.wake,
    )
    app.chores.append(sealer)
    app.opening += [sealer.open_up, exporter.start]
    app.closing.append(exporter.stop)
