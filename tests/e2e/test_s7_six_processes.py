"""SCENARIOS S7 once more: six processes, the system clock, and intake killed between deliveries.

The page's days are hours here, and all in the past: when the words were said is what counts
(DOMAIN, counting 1), however late they reach us. Nothing is looked at before it has come.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from cli.places import Places
from cli.player import Denied, Player, message_of, to_bytes
from cli.system import System
from libs.decider import Recorded
from libs.eventlog.work import partition_of
from tests.e2e.world import DATABASES, RoomServers, decode_event, read_log
from tests.stack import on_real_kafka, room

DEADLINE_SECONDS = 120.0
DISPUTE: dict[str, Any] = {"text": "话费多扣了", "category": "billing", "subscriber": "13800000771"}


class Six:
    """Six services in six processes, looked at until what must come has come."""

    def __init__(self, system: System, player: Player) -> None:
        self.system = system
        self.player = player
        self.start = datetime.now(UTC) - timedelta(hours=10)
        """When the phone call came."""

    def hours_later(self, hours: int) -> datetime:
        """So long after the call."""
        return self.start + timedelta(hours=hours)

    async def until(self, find: Callable[[], Awaitable[Any]]) -> Any:
        """What `find` finds, once it finds something; a service that is down is asked again."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while True:
                try:
                    found = await find()
                except Denied as denied:
                    if denied.status not in (404, 503):
                        raise
                except httpx.TransportError:
                    pass
                else:
                    if found:
                        return found
                await asyncio.sleep(0.1)

    async def events(self, complaint: str, kind: str, count: int = 1) -> list[Recorded[Any]]:
        """The complaint's events of this type, once there are so many of them."""
        place = partition_of(complaint, self.system.partitions)

        async def find() -> list[Recorded[Any]]:
            log = map(decode_event, await read_log(self.system, place))
            found = [one for one in log if one.subject == complaint and one.type == f"{kind}.v1"]
            return found if len(found) >= count else []

        found: list[Recorded[Any]] = await self.until(find)
        assert len(found) == count
        return found

    async def outcome(self, source: str, message: str) -> Any:
        """What became of a message, once intake has taken it."""
        return await self.until(lambda: self.player.outcome(source, message))


@pytest.mark.kafka
def test_s7_with_six_processes_and_intake_killed_between_deliveries(tmp_path: Path) -> None:
    if not on_real_kafka():
        pytest.skip("six processes need real Kafka; Java or Maven is missing")

    async def run() -> None:
        system = System(
            Places(tmp_path),
            processes=True,
            servers=RoomServers(where),
            topic_prefix=where.prefix,
        )
        await system.start()
        try:
            async with system.player() as player:
                await _play(Six(system, player))
        finally:
            await system.stop()

    with room(DATABASES) as where:
        asyncio.run(run())


async def _play(six: Six) -> None:
    complaint, receipt = await _told_three_times(six)
    (first,) = await six.events(complaint, "clocks.started")
    await _urged_three_times(six, complaint, receipt)
    await _unlinked(six, complaint)
    await six.player.say(
        "sms", "sms-2", six.hours_later(9), kind="urge", channel="sms", receipt=receipt
    )
    linked = await six.events(complaint, "complaint.contact_linked", 4)
    assert linked[-1].data.urge_no == 3
    again = (await six.events(complaint, "case.requested", 2))[-1]
    assert again.data.trigger.value == "urges", "exactly one new candidate"
    assert (await six.events(complaint, "clocks.started", 3))[0] == first, "2 of them for the cases"
    assert not any(one.clock == "resolve" for one in await _started_by_cases(six, complaint))


async def _started_by_cases(six: Six, complaint: str) -> list[Any]:
    later = (await six.events(complaint, "clocks.started", 3))[1:]
    return [clock for one in later for clock in one.data.clocks]


async def _told_three_times(six: Six) -> tuple[str, str]:
    """Delivered, delivered again, and once more when intake is back from a SIGKILL."""
    words: dict[str, Any] = {"kind": "words", "channel": "hotline_10010", **DISPUTE}
    for _ in range(2):
        await six.player.say("10010", "call-7781", six.start, **words)
    told = await six.outcome("10010", "call-7781")
    intake = six.system.running["intake"]
    intake.kill()
    await asyncio.to_thread(intake.wait)
    six.system.start_process("intake")
    await six.player.say("10010", "call-7781", six.start, **words)
    # Somebody else's words behind it, on the same partition: once they are taken, so is it.
    other = message_of("web", "behind", six.start, kind="words", channel="web", text="另一个客户")
    await six.player.publish(to_bytes(other), "10010call-7781")
    await six.outcome("web", "behind")
    assert await six.outcome("10010", "call-7781") == told
    complaint = str(told["complaint"])
    (registered,) = await six.events(complaint, "complaint.registered")
    assert registered.data.registration.clock_from == six.start
    await six.events(complaint, "notice.issued")
    return complaint, str(told["receipt"]).replace("-", "")


async def _urged_three_times(six: Six, complaint: str, receipt: str) -> None:
    """By WeChat and app as the same subscriber in the same category, by SMS with the receipt."""
    words: dict[str, Any] = {"kind": "words", **DISPUTE}
    quoted: dict[str, Any] = {"kind": "words", "text": "还没处理", "receipt": receipt}
    told = (("wechat", 2, words), ("sms", 4, quoted), ("app", 6, words))
    for channel, hours, said in told:
        message = f"{channel}-1"
        await six.player.say(channel, message, six.hours_later(hours), channel=channel, **said)
        assert (await six.outcome(channel, message))["complaint"] == complaint
    linked = await six.events(complaint, "complaint.contact_linked", 3)
    assert [one.data.urge_no for one in linked] == [1, 2, 3]
    (case,) = await six.events(complaint, "case.requested")
    assert case.data.trigger.value == "urges"


async def _unlinked(six: Six, complaint: str) -> None:
    """The WeChat contact was another line: a complaint of its own, from its own time."""
    linked = await six.events(complaint, "complaint.contact_linked", 3)
    wechat: UUID = linked[0].data.contact.id
    path = f"/complaints/{complaint}/contacts/{wechat}/unlink"
    await six.player.do("intake", path, {"reason": "other_line"})
    (unlinked,) = await six.events(complaint, "complaint.contact_unlinked")
    assert unlinked.data.urge_no == 2
    (case,) = await six.events(complaint, "case.closed")
    assert case.data.outcome.value == "withdrawn"
    own = str(unlinked.data.becomes.complaint)
    (registered,) = await six.events(own, "complaint.registered")
    assert registered.data.registration.clock_from == six.hours_later(2)

    async def first_contact() -> Any:
        clocks = await six.player.get("sla_watch", f"/clocks/{own}")
        found = [one for one in clocks if one["clock"] == "first_contact"]
        return found[0] if found and found[0]["state"] == "breached" else None

    breached = await six.until(first_contact)
    assert datetime.fromisoformat(breached["due_at"]) == six.hours_later(3)
    assert breached["retroactive"]
