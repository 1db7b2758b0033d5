"""What leaves the house is on record before it leaves: what, by whom, what for, and its digest."""

from collections.abc import Sequence
from uuid import UUID

from contracts.housekeeping import ExportMade
from libs.decider import To
from libs.eventlog.envelope import Origin
from libs.eventlog.work import Work
from libs.messaging.app import App
from libs.web import Caller
from services.audit.domain.exporting import RecordExport


async def put_on_record(
    app: App,
    caller: Caller,
    what: str,
    digest: str,
    purpose: str,
    complaints: Sequence[UUID] = (),
) -> None:
    """Writes `export.made`; raises what the writer raises, and then nothing is to be handed out.

    `digest` is the SHA-256 of what is handed out, in hex.
    """
    made = ExportMade(
        what=what,
        complaints=tuple(complaints),
        purpose=purpose,
        by=caller.actor,
        digest=digest,
    )

    def decide(work: Work) -> None:
        work.apply(
            To(digest, RecordExport(at=work.now, made=made)),
            Origin(causation="request", actor=caller.actor),
        )

    await app.in_thread(app.writer.transact, decide)
