"""Services that tell real events of the contracts over the real log, and audit that keeps them."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid5

import httpx
from pydantic import SerializeAsAny
from pydantic_core import from_json

from contracts.catalogue import DECODE
from libs.decider import Command, Context, Decider, Event, Recorded, State, To
from libs.eventlog.envelope import STREAMS, Origin
from libs.eventlog.service import Service
from libs.messaging.app import App
from libs.messaging.stepping import Stepper
from libs.timekeeping.clock import SteppedClock
from libs.web.auth import issue_token, make_signing_key
from services.audit import main
from services.audit.config import Settings
from services.audit.main import build
from tests.integration.runtime.toys import KEEPING, make_app
from tests.stack import Room

START = datetime(2025, 9, 30, 15, 0, tzinfo=UTC)
"""23:00 of the last day of September in Shanghai: stories begin in one cohort's month and go on
into the next."""

POLICIES = len(list((Path(main.__file__).parent / "policy").glob("*.v*.yaml")))
OWN = POLICIES + 1
"""What audit has on record of its own in `playing`: its policies, and the token of who asks it."""
"""Audit's own policies in force: so many events, each a stream of its own, before any story."""

SAMPLES = Path(__file__).parents[3] / "contracts" / "samples"


class Tell(Command):
    """Say this, whatever was said before."""

    event: SerializeAsAny[Event]


@dataclass(frozen=True, slots=True)
class Told(State):
    """How much was said."""

    count: int = 0


def event(kind: str) -> Event:
    """A body of this type, as the contracts' golden samples have it."""
    envelope = from_json((SAMPLES / f"{kind}.json").read_bytes())
    return DECODE[kind].model_validate(envelope["data"])


def decide(_told: Told | None, command: Tell, _context: Context) -> Sequence[Event]:
    return [command.event]


def evolve(told: Told | None, _recorded: Recorded[Any]) -> Told:
    return Told((told.count if told else 0) + 1)


def teller(name: str, hears: str = "", says: str = "") -> Service:
    """A service that tells what it is asked to, and `says` whenever it hears `hears`."""
    return Service(
        name=name,
        deciders=(
            Decider(
                kind="told",
                commands=(Tell,),
                events=tuple(one for one in DECODE.values() if one.type not in _HOUSEKEEPING),
                decide=decide,
                evolve=evolve,
            ),
        ),
        types=DECODE,
        housekeeping=KEEPING,
        hears=frozenset({hears} if hears else ()),
        react=lambda heard: [To(heard.subject, Tell(at=heard.at, event=event(says)))],
    )


_HOUSEKEEPING = frozenset(
    one.type
    for one in (
        KEEPING.record_parked,
        KEEPING.record_settled,
        KEEPING.gap_resolved,
        KEEPING.policy_activated,
        KEEPING.rebuild_done,
        KEEPING.purge_answered,
    )
)


def complaint(number: int) -> str:
    return str(uuid5(STREAMS, f"complaint {number}"))


@dataclass
class Playing:
    """Two tellers and audit, running; ask audit over HTTP with `get`."""

    intake: App
    routing: App
    audit: App
    clock: SteppedClock
    token: Callable[[str], str]
    stepper: Stepper = field(init=False)

    def __post_init__(self) -> None:
        self.stepper = Stepper((self.intake, self.routing, self.audit), self.clock)

    async def tell(self, subject: str, told: str | Event, *, origin: Origin | None = None) -> None:
        """Intake tells an event (the sample of a type), one second after whatever came before."""
        self.clock.jump(self.clock.now() + timedelta(seconds=1))
        said = event(told) if isinstance(told, str) else told
        to = To(subject, Tell(at=self.clock.now(), event=said))
        cause = origin or Origin("message:sms sms-1", "channel:sms")
        await self.intake.in_thread(self.intake.writer.transact, lambda work: work.apply(to, cause))

    async def get(self, url: str, role: str = "auditor") -> httpx.Response:
        """Asks audit over HTTP, as somebody with this role."""
        headers = {"Authorization": f"Bearer {self.token(role)}"}
        async with httpx.AsyncClient(
            base_url=self.audit.api_url, headers=headers, timeout=60, trust_env=False
        ) as client:
            return await client.get(url)


@asynccontextmanager
async def playing(room: Room, keys: Path, **more: Any) -> AsyncIterator[Playing]:
    """Everything up on the stepped clock; down afterwards. `more`: further settings of audit."""
    clock = SteppedClock(START)
    signing = make_signing_key(keys)
    intake = make_app(teller("intake"), room, keys, clock)
    heard, said = "complaint.verified.v1", "work.routed.v1"
    routing = make_app(teller("routing", heard, said), room, keys, clock)
    audit = build(settings(room, keys, **more), clock)
    apps = (intake, routing, audit)

    @cache
    def token(role: str) -> str:
        return issue_token(
            signing, actor="agent:x", roles=[role], real_now_s=time.time(), lifetime_s=600
        )

    await asyncio.gather(*(app.start() for app in apps))
    try:
        play = Playing(intake, routing, audit, clock, token)
        await play.stepper.settle()
        await play.get("/openapi.json")
        await play.stepper.settle()
        yield play
    finally:
        await asyncio.gather(*(app.stop() for app in apps))


def settings(room: Room, keys: Path, **more: Any) -> Settings:
    return Settings(
        postgres_dsn=room.service_dsns["audit"],
        kafka_bootstrap=room.bootstrap,
        broker=room.broker_kind,
        partitions=room.topics[0].partitions,
        topic_prefix=room.prefix,
        jwks=str(keys / "jwks.json"),
        **more,
    )


STORY = (
    "complaint.registered.v1",
    "complaint.verified.v1",
    "complaint.contact_linked.v1",
    "complaint.answered.v1",
    "complaint.closed.v1",
)


async def tell_stories(play: Playing, count: int) -> None:
    """So many complaints, told side by side: five events of intake's and one of routing's each."""
    for kind in STORY:
        for number in range(count):
            await play.tell(complaint(number), kind)
        await play.stepper.settle()
