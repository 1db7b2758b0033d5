"""People and staff who go on, whatever is rebuilt meanwhile: all kinds of acts, on a moving clock.

They act as anybody would, over channels and HTTP; where a service is away for a moment they try
again, with the same Idempotency-Key.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

import httpx
import psycopg

from cli.player import Denied
from libs.eventlog.writer import UNAVAILABLE
from tests.e2e.world import World

AWAY: tuple[type[Exception], ...] = (httpx.TransportError, psycopg.OperationalError, *UNAVAILABLE)
LOOK_SECONDS = 0.02
STEP = timedelta(hours=7)
"""So much goes by with each story: shifts and days end, clocks warn and run out, surveys end."""
HTTP_AWAY, HTTP_NOT_YET, HTTP_CONFLICT = 503, 404, 409

SEEN = {
    *("complaint.registered.v1", "complaint.contact_linked.v1", "complaint.withdrawn.v1"),
    *("complaint.answered.v1", "complaint.closed.v1", "complaint.reopened.v1"),
    *("complaint.escalation_noted.v1", "work.assigned.v1", "work.accepted.v1"),
    *("work.answered.v1", "work.ended.v1", "clocks.started.v1", "clock.warned.v1"),
    *("clock.met.v1", "clock.breached.v1", "clocks.cancelled.v1", "notice.issued.v1"),
    *("survey.asked.v1", "survey.answered.v1", "survey.concluded.v1"),
    *("case.requested.v1", "case.accepted.v1"),
}
"""What must have come of it (EVENTS), from every service that decides."""


class Traffic:
    """One story after another, each of a complaint of its own, until `end`."""

    def __init__(self, world: World) -> None:
        self.told: list[tuple[str, str]] = []
        """Source and id of each message that must be a complaint of its own."""
        self.acts = 0
        self._world = world
        self._ended = asyncio.Event()
        self._numbers = itertools.count()
        self._subscribers: dict[str, str] = {}
        self._task = asyncio.create_task(self._go_on())

    async def end(self) -> None:
        """Every story was told, and nobody begins another; what was begun is done."""
        self._ended.set()
        async with asyncio.timeout(120):
            await self._task

    async def _go_on(self) -> None:
        stories = (self._content, self._withdraws, self._dissatisfied, self._urges, self._wishes)
        for number, story in enumerate(itertools.cycle(stories)):
            if number >= len(stories) and self._ended.is_set():
                return
            await story()
            await self._time_goes_by()

    # -- stories ---------------------------------------------------------------------------------

    async def _content(self) -> None:
        """Told on the hotline; more is told by SMS; answered, and the customer is content."""
        receipt, complaint = await self._complains("10010", "hotline_10010", "billing.overcharge")
        await self._says("sms", receipt, kind="fact", text="补充说明")
        await self._answered(complaint)
        await self._replies(complaint, receipt, 9, resolved=True)

    async def _dissatisfied(self) -> None:
        """Answered, and not resolved: a new cycle, for a manager."""
        receipt, complaint = await self._complains("wechat", "wechat", "product")
        await self._answered(complaint)
        await self._replies(complaint, receipt, 2, resolved=False)

    async def _withdraws(self) -> None:
        receipt, complaint = await self._complains("sms", "sms", "mobile.coverage")
        who = self._subscribers[complaint]
        await self._says("sms", receipt, kind="withdrawal", text="不投诉了", subscriber=who)

    async def _urges(self) -> None:
        """Three times: the desk is asked."""
        receipt, _ = await self._complains("10010", "hotline_10010", "mobile.noncoverage.sms")
        for _ in range(3):
            await self._says("10010", receipt, kind="urge", text="催办")

    async def _wishes(self) -> None:
        """Wants the 10015 desk, which takes it up."""
        receipt, complaint = await self._complains("10010", "hotline_10010", "service.attitude")
        await self._says("10010", receipt, kind="escalation_wish", text="我要找10015")
        path = f"/complaints/{complaint}/cases/1/accept"
        await self._does("escalation", path, role="desk", actor="agent:1501")

    # -- acts ------------------------------------------------------------------------------------

    async def _complains(self, source: str, channel: str, category: str) -> tuple[str, str]:
        """A new complaint; returns its receipt and id once it is registered."""
        who = f"1380001{next(self._numbers):04}"
        name = await self._tell(
            source,
            kind="words",
            channel=channel,
            text="……",
            subscriber=who,
            category=category,
        )
        self.told.append((source, name))
        made = await self._patiently(lambda: self._world.player.outcome(source, name))
        self._subscribers[str(made["complaint"])] = who
        return str(made["receipt"]).replace("-", ""), str(made["complaint"])

    async def _says(self, source: str, receipt: str, **words: Any) -> None:
        """More about it; returns once it has been taken."""
        channel = "sms" if source == "sms" else "hotline_10010"
        name = await self._tell(source, channel=channel, receipt=receipt, **words)
        await self._patiently(lambda: self._world.player.outcome(source, name))

    async def _tell(self, source: str, **words: Any) -> str:
        name = f"traffic-{next(self._numbers)}"
        await self._world.player.say(source, name, self._world.clock.now(), **words)
        self.acts += 1
        return name

    async def _answered(self, complaint: str) -> None:
        """A team takes it, and answers."""
        world, work = self._world, f"/work/{complaint}"

        async def taken() -> dict[str, Any]:
            who = await world.seat(complaint)
            step = "accept" if (await world.player.get("routing", work))["team"] else "take"
            await world.player.do("routing", f"{work}/{step}", **who)
            return who

        who = await self._patiently(taken)
        body = {"explanation": "已处理", "decision": "upheld", "told_by": "message"}
        await self._does("routing", f"{work}/answer", body, **who)

    async def _replies(self, complaint: str, receipt: str, score: int, *, resolved: bool) -> None:
        """The customer answers the survey, once there is one."""

        async def asked() -> None:
            shown = await self._world.player.get("intake", f"/complaints/{complaint}")
            if shown["state"] != "asked":
                raise Denied(HTTP_NOT_YET, {})

        await self._patiently(asked)
        survey = {"score": score, "resolved": resolved}
        await self._says("sms", receipt, kind="survey_reply", survey=survey)

    async def _does(
        self, service: str, path: str, body: Mapping[str, Any] | None = None, **who: Any
    ) -> None:
        key = f"traffic-{next(self._numbers)}"
        await self._patiently(lambda: self._world.player.do(service, path, body, key=key, **who))

    async def _patiently(self, act: Callable[[], Awaitable[Any]]) -> Any:
        """Again while a service is away, has not heard of it yet, or somebody was before us."""
        async with asyncio.timeout(90):
            while True:
                try:
                    done = await act()
                except Denied as error:
                    if error.status not in (HTTP_AWAY, HTTP_NOT_YET, HTTP_CONFLICT):
                        raise
                except AWAY:
                    pass
                else:
                    self.acts += 1
                    return done
                await asyncio.sleep(LOOK_SECONDS)

    async def _time_goes_by(self) -> None:
        """Timers fire wherever their database is there; elsewhere later."""
        self._world.clock.jump(self._world.clock.now() + STEP)
        for app in self._world.system.apps.values():
            try:
                await app.fire_due()
            except AWAY:
                continue
