"""The demo's story: what happens to one complaint, and what must be true after each step.

Every instant is a literal. Each beat acts as a customer or a member of staff would; its claims are
then read from the services' HTTP, so that a claim that did not happen fails the demo.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cli.demo.stage import Stage, sh

Json = Mapping[str, Any]

CUSTOMER = "18612345678"
TOLD = {
    "kind": "words",
    "channel": "sms",
    "subscriber": CUSTOMER,
    "text": "家里宽带断网了，光猫亮红灯，请尽快来修",
    "language": "zh",
    "district_type": "urban",
    "home_province": "guangdong",
    "reply_to": {"kind": "sms", "address": CUSTOMER},
}
ENGINEER: dict[str, Any] = {"actor": "agent:5211", "team": "broadband-second"}
OFFICER: dict[str, Any] = {"role": "desk", "actor": "agent:1501"}
MANAGER: dict[str, Any] = {"role": "manager", "actor": "agent:7001", "team": "centre-managers"}


@dataclass(frozen=True, slots=True)
class Claim:
    """Something said to have happened, and whether it did."""

    at: datetime
    text: str
    held: bool


@dataclass
class Tale:
    """What is known of the hero's complaint while it is told."""

    stage: Stage
    complaint: str = ""
    receipt: str = ""
    claims: list[Claim] = field(default_factory=list)

    def claim(self, text: str, held: bool) -> None:
        """Puts a claim on record."""
        self.claims.append(Claim(self.stage.clock.now(), text, held))

    async def say(self, source: str, message: str, **words: Any) -> None:
        """The customer says something now."""
        await self.stage.player.say(source, message, self.stage.clock.now(), **words)

    async def reply(self, message: str, score: int, *, resolved: bool) -> None:
        """The customer answers a survey now."""
        await self.say(
            "sms",
            message,
            kind="survey_reply",
            channel="sms",
            receipt=self.receipt.replace("-", ""),
            survey={"score": score, "resolved": resolved},
        )

    async def work(self, step: str, body: Json | None = None, **who: Any) -> None:
        """Somebody does a step of the work."""
        await self.stage.player.do("routing", f"/work/{self.complaint}/{step}", body, **who)

    async def case(self, step: str, body: Json | None = None) -> None:
        """The 10015 desk does something with the case."""
        path = f"/complaints/{self.complaint}/cases/1/{step}"
        await self.stage.player.do("escalation", path, body, **OFFICER)

    async def events(self, kind: str) -> list[Json]:
        """The complaint's events of this kind so far, as audit tells them."""
        told = await self.timeline()
        return [step for step in told["items"] if step["type"] == f"{kind}.v1"]

    async def timeline(self) -> Any:
        """The whole timeline, as audit tells it."""
        return await self.stage.player.get(
            "audit", f"/complaints/{self.complaint}/timeline", role="auditor", limit=200
        )

    async def clock(self, code: str, cycle: int = 1) -> Json:
        """One of the complaint's clocks, as sla_watch tells it; empty where there is none."""
        clocks = await self.stage.player.get(
            "sla_watch", f"/clocks/{self.complaint}", role="auditor"
        )
        found = [one for one in clocks if (one["clock"], one["cycle"]) == (code, cycle)]
        return found[0] if found else {}

    async def state(self) -> Json:
        """Where the complaint stands, as intake tells its customer."""
        number = self.receipt.replace("-", "")
        told: Json = await self.stage.player.get("intake", f"/status/{number}", role="channel")
        return told


Act = Callable[[Tale], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Beat:
    """One step: when, what is told of it, what is done, and what must then be true."""

    at: datetime
    line: str
    act: Act
    check: Act


def at(step: Json, instant: str) -> bool:
    """Whether this event is of exactly this instant (Asia/Shanghai)."""
    return datetime.fromisoformat(step["occurred"] or step["time"]) == sh(instant)


def is_at(told: str | None, instant: str) -> bool:
    """Whether these are the same instant."""
    return told is not None and datetime.fromisoformat(told) == sh(instant)


async def nothing(_tale: Tale) -> None:
    """Only time passes."""


# -- the steps ------------------------------------------------------------------------------------


async def tell_twice(tale: Tale) -> None:
    """The same SMS, delivered twice by its gateway."""
    for _ in range(2):
        await tale.say("sms", "sms-4711", **TOLD)


async def told_once(tale: Tale) -> None:
    """One complaint, one receipt, acknowledged."""
    outcome = await tale.stage.player.outcome("sms", "sms-4711")
    tale.complaint, tale.receipt = outcome["complaint"], outcome["receipt"]
    registered = await tale.events("complaint.registered")
    notices = await tale.events("notice.issued")
    tale.claim(
        f"two copies made one complaint, receipt {tale.receipt}, one acknowledgement",
        len(registered) == len(notices) == 1,
    )
    repair = await tale.clock("repair.broadband.urban")
    tale.claim(
        "repair is promised for Fri 10:00:00, 24 h from the customer's words",
        is_at(repair.get("due_at"), "2025-10-10 10:00:00"),
    )


async def ignored(tale: Tale) -> None:
    """Nobody took it in 30 minutes."""
    returned = await tale.events("work.returned")
    offered = await tale.events("work.assigned")
    tale.claim(
        "the ignored assignment went back at 10:30:00 and on to another team",
        len(returned) == 1
        and at(returned[0], "2025-10-09 10:30:00")
        and [one["data"]["team"] for one in offered] == ["broadband-care", "broadband-second"],
    )


async def urge(tale: Tale) -> None:
    """The same customer on another channel."""
    words = {**TOLD, "channel": "wechat", "text": "宽带还是断网，怎么还没人来修"}
    await tale.say("wechat", "wx-88", **words)


async def urged(tale: Tale) -> None:
    """Linked, and the priority raised."""
    outcome = await tale.stage.player.outcome("wechat", "wx-88")
    linked = await tale.events("complaint.contact_linked")
    tale.claim(
        "the WeChat message was linked as urge 1; no second complaint",
        outcome["complaint"] == tale.complaint
        and [one["data"]["urge_no"] for one in linked] == [1],
    )


async def accept(tale: Tale) -> None:
    """An engineer takes it and calls the customer."""
    await tale.work("accept", **ENGINEER)
    await tale.work("contact", {"channel": "hotline_10010", "reached": True}, **ENGINEER)


async def accepted(tale: Tale) -> None:
    """The first contact was made in time."""
    clock = await tale.clock("first_contact")
    tale.claim(
        "5211 is owner of record; the first contact was made ten minutes before it lapsed",
        clock.get("state") == "met" and is_at(clock.get("due_at"), "2025-10-09 11:00:00"),
    )


async def delay(tale: Tale) -> None:
    """The promise will not be kept: the customer is told before it lapses."""
    plan = {
        "clock": "repair.broadband.urban",
        "new_due": "2025-10-10T16:00:00+08:00",
        "plan": "光缆被施工挖断，抢修中，今天下午四点前恢复",
    }
    await tale.work("delay-plan", plan, **ENGINEER)


async def delayed(tale: Tale) -> None:
    """The plan is a clock of its own; the promise is not moved."""
    repair, agreed = await tale.clock("repair.broadband.urban"), await tale.clock("agreed")
    tale.claim(
        "the plan runs as a clock of its own until 16:00; the promise of 10:00 did not move",
        is_at(repair.get("due_at"), "2025-10-10 10:00:00")
        and is_at(agreed.get("due_at"), "2025-10-10 16:00:00"),
    )


async def broken(tale: Tale) -> None:
    """At the due instant, once, and the desk is asked."""
    breaches = await tale.events("clock.breached")
    tale.claim(
        "the repair promise broke once, at exactly 10:00:00.000000",
        len(breaches) == 1 and at(breaches[0], "2025-10-10 10:00:00"),
    )
    requested = await tale.events("case.requested")
    tale.claim(
        "the 10015 desk was asked at that instant; its first contact is due 12:00:00",
        len(requested) == 1
        and at(requested[0], "2025-10-10 10:00:00")
        and is_at((await tale.clock("desk.first_contact")).get("due_at"), "2025-10-10 12:00:00"),
    )


async def take_case(tale: Tale) -> None:
    """An officer takes the case, calls, and instructs."""
    await tale.case("accept")
    await tale.case("contacts", {"channel": "hotline_10015", "reached": True})
    due = {"team": "broadband-second", "due": "2025-10-10T15:00:00+08:00", "text": "下午三点前修复"}
    await tale.case("instructions", due)


async def case_taken(tale: Tale) -> None:
    """The desk's promise is kept."""
    clock = await tale.clock("desk.first_contact")
    tale.claim("the desk's first contact is kept", clock.get("state") == "met")


async def repaired(tale: Tale) -> None:
    """The team reports, the desk decides."""
    await tale.work("opinion", {"opinion": "光缆已熔接，测试正常"}, **ENGINEER)
    await tale.stage.settle()
    await tale.case("decision", {"decision": "upheld", "reasons": "超过24小时承诺"})


async def decided(tale: Tale) -> None:
    """Carried out and upheld."""
    done = await tale.events("case.instruction_carried_out")
    decisions = [one["data"]["decision"] for one in await tale.events("case.decided")]
    tale.claim(
        "the instruction was carried out, and 10015 upheld the complaint",
        len(done) == 1 and decisions == ["upheld"],
    )


async def answer(tale: Tale) -> None:
    """The owner answers; the desk ends its case."""
    told = {
        "explanation": "光缆被施工挖断，已于14:30修复",
        "decision": "upheld",
        "next_steps": "本月租费按规定减免",
        "told_by": "message",
    }
    await tale.work("answer", told, **ENGINEER)
    await tale.stage.settle()
    if not await tale.events("case.closed"):
        await tale.case("close")


async def asked(tale: Tale) -> None:
    """Answered is not closed."""
    surveys = await tale.events("survey.asked")
    tale.claim(
        "answered at 15:00 and asked once; an answer alone closes nothing",
        len(surveys) == 1 and (await tale.state())["closed_at"] is None,
    )


async def dissatisfied(tale: Tale) -> None:
    """Two of ten, not resolved."""
    await tale.reply("reply-1", 2, resolved=False)


async def reopened(tale: Tale) -> None:
    """A new cycle with the manager."""
    again = await tale.events("complaint.reopened")
    review = await tale.clock("attitude", cycle=2)
    tale.claim(
        "a dissatisfied customer reopened it: cycle 2 from 16:00:00, with the manager, for 24 h",
        len(again) == 1
        and at(again[0], "2025-10-10 16:00:00")
        and is_at(review.get("due_at"), "2025-10-11 16:00:00"),
    )


async def manager_takes(tale: Tale) -> None:
    """A different person takes it."""
    await tale.work("accept", **MANAGER)


async def manager_has_it(tale: Tale) -> None:
    """The owner of record stays who it was."""
    work = await tale.stage.player.get("routing", f"/work/{tale.complaint}", role="auditor")
    tale.claim(
        "the manager has it now; 5211 stays its owner of record",
        (work["agent"], work["owner_agent"]) == ("7001", "5211"),
    )


async def manager_answers(tale: Tale) -> None:
    """The manager looks and answers."""
    told = {
        "explanation": "已上门复测，速率达标，租费已减免",
        "decision": "upheld",
        "told_by": "message",
    }
    await tale.work("answer", told, **MANAGER)


async def asked_again(tale: Tale) -> None:
    """Each cycle has a survey of its own."""
    surveys = await tale.events("survey.asked")
    tale.claim("the second cycle was answered in time and asked again", len(surveys) == 2)


async def satisfied(tale: Tale) -> None:
    """Nine of ten, resolved."""
    await tale.reply("reply-2", 9, resolved=True)


async def closed(tale: Tale) -> None:
    """Only now."""
    state = await tale.state()
    tale.claim(
        "satisfied: closed at exactly 11:30:00, not before",
        is_at(state["closed_at"], "2025-10-11 11:30:00") and state["cycle"] == 2,
    )


def _beat(instant: str, line: str, act: Act, check: Act) -> Beat:
    return Beat(sh(instant), line, act, check)


START = sh("2025-10-09 10:00:00")
STORY = (
    _beat(
        "2025-10-09 10:00:00", "An SMS, delivered twice: “家里宽带断网了…”", tell_twice, told_once
    ),
    _beat("2025-10-09 10:30:00", "Nobody took it for 30 minutes", nothing, ignored),
    _beat("2025-10-09 10:40:00", "The customer urges on WeChat: “怎么还没人来修”", urge, urged),
    _beat("2025-10-09 10:50:00", "An engineer takes it and calls", accept, accepted),
    _beat("2025-10-10 09:05:00", "A delay, told before the promise lapses", delay, delayed),
    _beat("2025-10-10 10:00:00", "The promise lapses", nothing, broken),
    _beat("2025-10-10 10:20:00", "10015 takes the case, calls, instructs", take_case, case_taken),
    _beat("2025-10-10 14:30:00", "Repaired; 10015 decides", repaired, decided),
    _beat("2025-10-10 15:00:00", "The owner answers, the case ends", answer, asked),
    _beat("2025-10-10 16:00:00", "“2 of 10, not resolved”", dissatisfied, reopened),
    _beat("2025-10-10 16:10:00", "The manager takes it", manager_takes, manager_has_it),
    _beat("2025-10-11 10:00:00", "The manager looks and answers", manager_answers, asked_again),
    _beat("2025-10-11 11:30:00", "“9 of 10, resolved”", satisfied, closed),
)
