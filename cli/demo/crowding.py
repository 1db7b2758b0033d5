"""The day's crowd around the story: other customers, and the staff that sees to them.

Customers write when `cli.crowd` says; staff looks at its queues every half hour, takes what waits,
calls, and answers with the patience of its dice; most customers answer their survey. All of it
goes over channels and HTTP, from one fixed seed.
"""

import heapq
import itertools
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx

from cli.crowd import Saying, crowd
from cli.demo.stage import SHANGHAI, Stage
from cli.player import Denied

SEED = 10010
TOGETHER = timedelta(minutes=4)
"""What is said within this time is played in one step; receipts are promised in five minutes."""
SWEEP = timedelta(minutes=30)
DAY, NIGHT = range(8, 22), timedelta(hours=2)
TAKES, ANSWERS, REPLIES = 0.85, 0.3, 0.7
SCORES = (2, 4, 7, 8, 8, 9, 9, 10, 10, 10)

Json = Mapping[str, Any]


@dataclass(slots=True)
class Glance:
    """What a wall display shows: the state of the whole floor at an instant."""

    at: datetime
    told: int = 0
    closed: int = 0
    waiting: int = 0
    in_hand: int = 0
    met: int = 0
    breached: int = 0
    desk: int = 0
    concluded: int = 0
    satisfied: int = 0
    answered: int = 0
    events: int = 0
    loads: list[tuple[str, int]] = field(default_factory=list)


@dataclass(order=True, slots=True)
class _Due:
    at: datetime
    number: int
    saying: Saying | None = field(compare=False)
    """None: the staff's round."""


class Floor:
    """Everybody but the story's people."""

    def __init__(self, stage: Stage, start: datetime, people: int, seed: int = SEED) -> None:
        self._stage = stage
        self._dice = random.Random(seed)  # noqa: S311 - a play, not a secret
        self._numbers = itertools.count()
        self._due: list[_Due] = []
        self._receipts: dict[str, str] = {}
        self._seats: dict[str, str] = {}
        self._hero = ""
        self._people = people
        for saying in crowd(seed, start, people):
            self._plan(saying.at, saying)
        if people:
            self._plan(start + SWEEP, None)
        self.refused = 0

    def leave_alone(self, complaint: str) -> None:
        """The story's own complaint is nobody else's business."""
        self._hero = complaint

    def _plan(self, at: datetime, saying: Saying | None) -> None:
        heapq.heappush(self._due, _Due(at, next(self._numbers), saying))

    async def until(self, instant: datetime) -> None:
        """Lets everything happen that the crowd and the staff do before this instant."""
        while self._due and self._due[0].at < instant:
            first = heapq.heappop(self._due)
            together = [first]
            while (
                first.saying is not None
                and self._due
                and self._due[0].saying is not None
                and self._due[0].at < min(instant, first.at + TOGETHER)
            ):
                together.append(heapq.heappop(self._due))
            await self._stage.until(together[-1].at)
            for one in together:
                if one.saying is not None:
                    await self._say(one.saying)
                else:
                    await self._round()
            await self._stage.settle()
            for one in together:
                if one.saying is not None and "survey" not in one.saying.words:
                    await self._note(one.saying)
        await self._stage.until(instant)

    async def _say(self, saying: Saying) -> None:
        await self._stage.player.say(saying.source, saying.message, saying.at, **saying.words)

    async def _note(self, saying: Saying) -> None:
        outcome = await self._stage.player.outcome(saying.source, saying.message)
        if outcome.get("complaint"):
            self._receipts[outcome["complaint"]] = outcome["receipt"]

    # -- staff -----------------------------------------------------------------------------------

    async def _round(self) -> None:
        """Every team looks at its queue."""
        now = self._stage.clock.now()
        player = self._stage.player
        if not self._seats:
            told = await player.get("routing", "/teams")
            self._seats = {one["team"]: one["seats"][0]["agent"] for one in told["teams"]}
        loads = (await player.get("routing", "/reports/loads"))["rows"]
        busy = sorted({row["team"] for row in loads if row["assigned"] or row["accepted"]})
        for team, agent in ((team, self._seats[team]) for team in busy):
            who: dict[str, Any] = {"actor": f"agent:{agent}", "team": team, "role": "manager"}
            queue = await player.get("routing", "/queue", **who, of="team", limit=200)
            for item in queue["items"]:
                if item["complaint"] != self._hero:
                    await self._see_to(item, who)
        awake = now.astimezone(SHANGHAI).hour in DAY
        self._plan(now + (SWEEP if awake else NIGHT), None)

    async def _see_to(self, item: Json, who: dict[str, Any]) -> None:
        path = f"/work/{item['complaint']}"
        try:
            if item["phase"] == "assigned" and self._dice.random() < TAKES:
                await self._stage.player.do("routing", f"{path}/accept", **who)
                called = {"channel": "hotline_10010", "reached": True}
                await self._stage.player.do("routing", f"{path}/contact", called, **who)
            elif item["phase"] == "accepted" and self._dice.random() < ANSWERS:
                told = {
                    "explanation": "已核实处理",
                    "decision": self._dice.choice(("upheld", "upheld", "partly")),
                    "told_by": "message",
                }
                await self._stage.player.do("routing", f"{path}/answer", told, **who)
                self._will_reply(item["complaint"])
        except Denied:
            self.refused += 1  # somebody else was quicker, or may not: as on any floor

    def _will_reply(self, complaint: str) -> None:
        receipt = self._receipts.get(complaint)
        if receipt is None or self._dice.random() >= REPLIES:
            return
        score = self._dice.choice(SCORES)
        at = self._stage.clock.now() + timedelta(minutes=self._dice.randint(10, 240))
        words = {
            "kind": "survey_reply",
            "channel": "sms",
            "receipt": receipt.replace("-", ""),
            "survey": {"score": score, "resolved": score > 5},
        }
        self._plan(at, Saying(at, "sms", f"crowd-reply-{next(self._numbers)}", words))

    # -- the wall --------------------------------------------------------------------------------

    async def glance(self) -> Glance:
        """The floor as a whole: what audit counts, and what is in hand now."""
        now = self._stage.clock.now()
        player = self._stage.player
        told = await self._all("volume", now)
        asked = await self._rows("satisfaction", now)
        desk = await self._all("escalations", now)
        loads = await player.get("routing", "/reports/loads")
        promises = await player.get("sla_watch", "/promises")
        teams: dict[str, int] = {}
        for row in loads["rows"]:
            teams[row["team"]] = teams.get(row["team"], 0) + row["accepted"] + row["assigned"]
        return Glance(
            at=now,
            told=told["told"],
            closed=told["closed"],
            waiting=sum(row["assigned"] for row in loads["rows"]),
            in_hand=sum(row["accepted"] for row in loads["rows"]),
            met=sum(row["met"] for row in promises["rows"]),
            breached=sum(row["breached"] for row in promises["rows"]),
            desk=desk["cases"],
            concluded=sum(row["concluded"] for row in asked),
            satisfied=sum(row["satisfied_answers"] for row in asked),
            answered=sum(row["answered"] for row in asked),
            events=await self._events(),
            loads=sorted(teams.items(), key=lambda one: (-one[1], one[0]))[:6],
        )

    async def _rows(self, report: str, now: datetime) -> list[Json]:
        """A report over the last thirty days."""
        today = now.astimezone(SHANGHAI).date()
        days = {"from": (today - timedelta(days=30)).isoformat(), "to": today.isoformat()}
        rows: list[Json] = (await self._stage.player.get("audit", f"/reports/{report}", **days))[
            "rows"
        ]
        return rows

    async def _all(self, report: str, now: datetime) -> Json:
        """Its line over everything."""
        (line,) = [row for row in await self._rows(report, now) if row["by"] == "all"]
        return line

    async def _events(self) -> int:
        """How many events all services have committed, from their own metrics."""
        total = 0.0
        async with httpx.AsyncClient(trust_env=False) as client:
            for urls in self._stage.system.urls.values():
                text = (await client.get(urls["health"] + "/metrics")).text
                total += sum(
                    float(line.rpartition(" ")[2])
                    for line in text.splitlines()
                    if line.startswith("bihuan_events_appended_total{")
                )
        return int(total)
