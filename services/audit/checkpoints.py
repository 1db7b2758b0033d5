"""Checkpoints and proofs over HTTP: what was sealed, that an event is in it, that it only grew."""

import re
from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import Path, Query, Request
from psycopg import Connection
from pydantic import BaseModel, ConfigDict, Field

from contracts.catalogue import SERVICES
from contracts.housekeeping import CheckpointSealed
from contracts.values import Instant
from libs.decider import NotFound, Refused
from libs.eventlog.envelope import event_id
from libs.messaging.app import App
from libs.web import Caller, Page, PageQuery, Paging, Router, allow, page_of
from services.audit.cold.records import Reading, Records
from services.audit.config import Settings
from services.audit.domain.checkpoint import (
    NotACheckpoint,
    key_id,
    public_key_of,
    read_note,
    read_verifier_key,
    signed_of,
)
from services.audit.domain.leaves import NotAList, read_list
from services.audit.domain.tree import consistency_proof, inclusion_proof
from services.audit.holding import Exported
from services.audit.signing import published_keys
from services.audit.tiles import (
    Leaves,
    checkpoint_of,
    checkpoints,
    last_checkpoint,
    tree_at,
)

Size = Annotated[int, Path(ge=0, lt=10**18)]
SizeAsked = Annotated[int | None, Query(ge=0, lt=10**18)]
EVENT = rf"^({'|'.join(SERVICES)})/[^\u0000-\u001f\u007f]{{1,200}}/[1-9][0-9]{{0,17}}$"


class NoSuchCheckpoint(NotFound):
    """No checkpoint was sealed over so many events; `/checkpoints` lists those that were."""

    rule = "no-such-checkpoint"
    zh = "没有该大小的检查点"


class NoSuchEvent(NotFound):
    """The archive holds no such event; it is named <service>/<subject>/<number>."""

    rule = "no-such-event"
    zh = "档案中没有该事件"


class NotSealedYet(NotFound):
    """That checkpoint does not cover the event; ask for a later one, or after the full hour."""

    rule = "not-sealed-yet"
    zh = "该检查点尚未包含此事件"


class NotWhatItSays(Refused):
    """What was sent as a checkpoint, a list of leaves or a key is none."""

    rule = "not-a-checkpoint"
    zh = "提交的检查点、清单或公钥格式不正确"


class _Shown(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PartitionSealed(_Shown):
    """What had been accepted of a partition."""

    partition: int
    records: int
    digest: str


class CheckpointShown(_Shown):
    """A checkpoint, and the signed note that says it."""

    origin: str
    size: int
    root: str
    sealed_at: Instant
    previous_size: int
    previous_root: str | None
    heads_changed: int
    partitions: list[PartitionSealed]
    key: str = Field(description="the id of the key that signed, as the note names it")
    note: str = Field(description="C2SP tlog-checkpoint in a signed note")


class KeysShown(_Shown):
    """The public keys that sign, or signed, this log's checkpoints; the newest first."""

    keys: list[str] = Field(description="verifier keys of signed notes: <name>+<id>+<base64>")


class InclusionShown(_Shown):
    """That an event is in the tree of a checkpoint (RFC 9162 §2.1.3)."""

    id: UUID
    source: str
    subject: str
    sequence: int
    digest: str = Field(description="SHA-256 of its bytes: the leaf's data")
    index: int
    size: int
    path: list[str]
    checkpoint: CheckpointShown


class ConsistencyShown(_Shown):
    """That the tree of one checkpoint begins that of another (RFC 9162 §2.1.4)."""

    first: CheckpointShown
    second: CheckpointShown
    path: list[str]


class HoldAgainst(_Shown):
    """A checkpoint that was kept elsewhere."""

    checkpoint: Annotated[str, Field(max_length=1024 * 1024, description="the signed note")]
    leaves: str | None = Field(default=None, description="the list exported beside it")
    key: str | None = Field(
        default=None, max_length=300, description="a verifier key to trust besides the log's own"
    )

    def read(self) -> tuple[Exported, list[bytes]]:
        """What was sent; raises NotWhatItSays."""
        try:
            signed = read_note(self.checkpoint)
            listed = None if self.leaves is None else read_list(self.leaves)
            keys = [] if self.key is None else [read_verifier_key(self.key)[1]]
        except (NotACheckpoint, NotAList) as error:
            raise NotWhatItSays(f"{error}; send it as it was exported") from error
        of = signed.checkpoint
        if listed is not None and (listed.size, listed.root) != (of.size, of.root):
            raise NotWhatItSays("the list does not give the checkpoint's root; it was changed")
        return Exported(signed, listed), keys


def trusted_keys(settings: Settings) -> list[bytes]:
    """The public keys published beside the key that signs."""
    return [read_verifier_key(line)[1] for line in published_keys(settings.checkpoint_key_file)]


def checkpoint_routes(app: App, reading: Reading) -> Router:
    """Routes about what was sealed."""
    router = Router(tags=["proof"])
    settings = app.settings
    assert isinstance(settings, Settings)

    @router.get("/checkpoint-keys", response_model=KeysShown)
    async def checkpoint_keys(_caller: Annotated[Caller, allow("audit.verify")]) -> KeysShown:
        """Who signs; get it by another way too before you trust it."""
        return KeysShown(keys=published_keys(settings.checkpoint_key_file))

    @router.get("/checkpoints", response_model=Page[CheckpointShown])
    async def checkpoint_list(
        request: Request, page: Paging, _caller: Annotated[Caller, allow("audit.verify")]
    ) -> Page[CheckpointShown]:
        """Every checkpoint, newest first."""
        rows = await app.query(_newest_first, page)
        shown, following = page_of(request, rows, page.limit, lambda row: (row[0],))
        return Page(items=[checkpoint_shown(event) for _, event in shown], next=following)

    @router.get("/checkpoints/{size}", response_model=CheckpointShown)
    async def checkpoint(
        size: Size, _caller: Annotated[Caller, allow("audit.verify")]
    ) -> CheckpointShown:
        """The checkpoint over so many events."""
        return checkpoint_shown(await app.query(_checkpoint, size))

    _proof_routes(router, app, reading)
    return router


def _proof_routes(router: Router, app: App, reading: Reading) -> None:
    @router.get("/proofs/inclusion", response_model=InclusionShown)
    async def inclusion(
        event: Annotated[
            str, Query(pattern=EVENT, description="<service>/<subject>/<number in its stream>")
        ],
        _caller: Annotated[Caller, allow("audit.verify")],
        size: SizeAsked = None,
    ) -> InclusionShown:
        """That an event is in a checkpoint; in the newest, where no size is given."""
        service, subject, number = _named(event)
        return await reading.query(_inclusion, f"/bihuan/{service}", subject, number, size)

    @router.get("/proofs/consistency", response_model=ConsistencyShown)
    async def consistency(
        first: Annotated[int, Query(alias="from", ge=1, lt=10**18)],
        second: Annotated[int, Query(alias="to", ge=1, lt=10**18)],
        _caller: Annotated[Caller, allow("audit.verify")],
    ) -> ConsistencyShown:
        """That nothing sealed by one checkpoint was changed until another."""
        return await app.query(_consistency, min(first, second), max(first, second))


def _named(event: str) -> tuple[str, str, int]:
    match = re.fullmatch(r"([^/]+)/(.+)/(\d+)", event, re.DOTALL)
    assert match is not None  # the query's pattern says so
    return match[1], match[2], int(match[3])


def _newest_first(conn: Connection[Any], page: PageQuery) -> list[tuple[int, CheckpointSealed]]:
    after = page.after(int)
    newest = last_checkpoint(conn)[0] if after is None else after[0] - 1
    first = max(newest - page.limit - 1, 0)
    found = checkpoints(conn, first, newest - first)
    return [(first + at, event) for at, event in enumerate(found, start=1)][::-1]


def _checkpoint(conn: Connection[Any], size: int) -> CheckpointSealed:
    found = checkpoint_of(conn, size)
    if found is None:
        raise NoSuchCheckpoint
    return found


def _inclusion(
    records: Records, source: str, subject: str, sequence: int, size: int | None
) -> InclusionShown:
    conn = records.conn
    of_stream = records.of([subject], source=source)
    found = next((one for one in of_stream if one.sequence == sequence), None)
    if found is None:
        raise NoSuchEvent
    event = _checkpoint(conn, size) if size is not None else last_checkpoint(conn)[1]
    index = Leaves(records).of(found.partition, found.place)
    if event is None or index is None or index >= event.size:
        raise NotSealedYet
    path = inclusion_proof(index, event.size, tree_at(conn, event.size).node)
    return InclusionShown(
        id=event_id(source, subject, sequence),
        source=source,
        subject=subject,
        sequence=sequence,
        digest=found.digest.hex(),
        index=index,
        size=event.size,
        path=[one.hex() for one in path],
        checkpoint=checkpoint_shown(event),
    )


def _consistency(conn: Connection[Any], first: int, second: int) -> ConsistencyShown:
    old, new = _checkpoint(conn, first), _checkpoint(conn, second)
    path: Sequence[bytes] = consistency_proof(first, second, tree_at(conn, second).node)
    return ConsistencyShown(
        first=checkpoint_shown(old),
        second=checkpoint_shown(new),
        path=[one.hex() for one in path],
    )


def checkpoint_shown(event: CheckpointSealed) -> CheckpointShown:
    """A checkpoint as it is told."""
    return CheckpointShown(
        origin=event.origin,
        size=event.size,
        root=event.root,
        sealed_at=event.sealed_at,
        previous_size=event.previous_size,
        previous_root=event.previous_root,
        heads_changed=event.heads_changed,
        partitions=[
            PartitionSealed(partition=one.partition, records=one.records, digest=one.digest)
            for one in event.partitions
        ],
        key=key_id(event.origin, public_key_of(event)).hex(),
        note=signed_of(event).note(),
    )
