"""Access and configuration as one timeline: who was given or refused what, which rules changed.

Kept as rows of its own, so that asking costs the same whatever the archive has grown to. What
stands elsewhere whole (a policy's content, a purge's list) is left out; its digest is not.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Request
from psycopg import Connection
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from contracts.values import Instant, Told
from libs.decider import Recorded, Row
from libs.eventlog import Table
from libs.eventlog.envelope import event_id
from libs.messaging.app import App
from libs.web import Caller, Page, PageQuery, Router, allow, page_of
from services.audit.domain.access import KIND_OF, TOLD
from services.audit.domain.policy import WORDS, Words

LEFT_OUT = frozenset({"content", "heads", "seats"})

TABLE = Table(
    "access_log",
    {
        "source": "text not null",
        "subject": "text not null",
        "sequence": "bigint not null",
        "kind": "text not null",
        "type": "text not null",
        "time": "timestamptz not null",
        "actor": "text not null",
        "data": "jsonb not null",
    },
    key=("source", "subject", "sequence"),
    indexes=("time, source, subject, sequence", "actor, time", "subject, time"),
    stream="subject",
)


def heard_rows(recorded: Recorded[Any]) -> Iterable[Row]:
    """The line of one such event; none of another."""
    kind = KIND_OF.get(recorded.type)
    if kind is None:
        return
    body = recorded.data.model_dump(mode="json", exclude=LEFT_OUT)
    yield Row.of(
        TABLE.name,
        {
            "source": recorded.source,
            "subject": recorded.subject,
            "sequence": recorded.sequence,
        },
        kind=kind,
        type=recorded.type,
        time=recorded.time,
        actor=recorded.actor,
        data=body,
    )


class AccessQuery(PageQuery):
    """Of which kind, about whom, from when to when."""

    kind: str | None = Field(
        None, pattern=f"^({'|'.join(TOLD)})$", description=f"only of this kind: {', '.join(TOLD)}"
    )
    who: str | None = Field(None, max_length=96, description="done by this pseudonym, or about it")
    since: Told | None = Field(None, description="recorded at this instant or later")
    until: Told | None = Field(None, description="recorded before this instant")


class AccessShown(BaseModel):
    """One step of access or configuration."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)
    id: UUID
    """The event's id."""
    source: str
    """The service that wrote it."""
    subject: str
    """What it is about: a policy's name, a pseudonym, a token's digest, a complaint."""
    kind: str
    """The kind of step."""
    type: str
    """The event's type."""
    time: Instant
    """When it was recorded."""
    actor: str
    """Who did it: a pseudonym, or a service."""
    en: str
    """What happened."""
    zh: str
    """The same in Chinese."""
    data: dict[str, JsonValue]
    """The event's body, without what stands elsewhere whole."""


Place = tuple[datetime, str, str, int]


def lines(
    conn: Connection[Any], asked: AccessQuery, after: Place | None
) -> list[Mapping[str, Any]]:
    """The steps after a place, the oldest first; limit + 1 at most."""
    return conn.execute(
        "SELECT * FROM access_log WHERE (%(kind)s::text IS NULL OR kind = %(kind)s) "
        "AND (%(who)s::text IS NULL OR actor = %(who)s OR subject = %(who)s "
        "OR data->>'who' = %(who)s) "
        "AND (%(since)s::timestamptz IS NULL OR time >= %(since)s) "
        "AND (%(until)s::timestamptz IS NULL OR time < %(until)s) "
        "AND (%(time)s::timestamptz IS NULL OR (time, source, subject, sequence) > "
        "(%(time)s, %(source)s, %(subject)s, %(sequence)s)) "
        "ORDER BY time, source, subject, sequence LIMIT %(limit)s",
        {
            "kind": asked.kind,
            "who": asked.who,
            "since": asked.since,
            "until": asked.until,
            "limit": asked.limit + 1,
            **dict(
                zip(
                    ("time", "source", "subject", "sequence"),
                    after or (None, "", "", 0),
                    strict=True,
                )
            ),
        },
    ).fetchall()


def routes(app: App) -> Router:
    """The timeline's route."""
    router = Router(tags=["access"])

    @router.get("/access")
    async def access_log(
        request: Request,
        asked: Annotated[AccessQuery, Query()],
        _caller: Annotated[Caller, allow("audit.access")],
    ) -> Page[AccessShown]:
        """Policies, roles, tokens, holds, exports, settled records, rebuilds: the oldest first."""
        after = asked.after(datetime, str, str, int)
        rows = await app.query(lines, asked, after)
        shown, following = page_of(
            request,
            rows,
            asked.limit,
            lambda row: (row["time"], row["source"], row["subject"], row["sequence"]),
        )
        words: Words = app.writer.policies.in_force(WORDS, app.clock.now()).compiled
        return Page(items=[_shown(row, words) for row in shown], next=following)

    return router


def _shown(row: Mapping[str, Any], words: Words) -> AccessShown:
    said = words.say(row["type"], row["data"])
    return AccessShown(
        id=event_id(row["source"], row["subject"], row["sequence"]),
        en=said.en,
        zh=said.zh,
        **{
            name: row[name]
            for name in ("source", "subject", "kind", "type", "time", "actor", "data")
        },
    )
