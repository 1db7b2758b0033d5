"""What arrives broken is kept like everything else, and the break is on record at once."""

import asyncio
from hashlib import sha256
from pathlib import Path

import httpx
import psycopg
from confluent_kafka import Producer

from libs.eventlog.work import partition_of
from libs.messaging.position import START, Position, RelayHeaders
from tests.integration.audit.tellers import OWN, Playing, complaint, playing, tell_stories
from tests.stack import Room, room

INTAKE = "/bihuan/intake"
STRANGE = "/bihuan/escalation"
"""A source that has no teller here: what it sends is made up by the tests."""


def made_up(subject: str, sequence: int, previous: str, *, time: str = "2025-10-01T00:00") -> bytes:
    return (
        '{"specversion":"1.0","id":"3aca2949-e474-5292-b97a-af9f0a85e651",'
        f'"source":"{STRANGE}","type":"case.accepted.v1","subject":"{subject}",'
        f'"time":"{time}:00.000000Z","datacontenttype":"application/json",'
        f'"sequence":"{sequence}","previous":"{previous}","causationid":"key:1",'
        '"actor":"agent:o-1","traceparent":"","data":{"cycle":1,"case":1,"tier":2,"officer":"o"}}'
    ).encode()


class Wire:
    """Sends records as a relay would, whatever their bytes are."""

    def __init__(self, where: Room) -> None:
        self._producer = Producer({"bootstrap.servers": where.bootstrap})
        self._topic = f"{where.prefix}complaints.log"
        self._partitions = where.topics[0].partitions
        self._last: dict[int, Position] = {}
        self._number = 0

    def lose(self, subject: str) -> None:
        """A record that its service counts as sent, and that the log does not have."""
        self._number += 1
        partition = partition_of(subject, self._partitions)
        self._last[partition] = Position(1, self._number)

    def send(self, subject: str | bytes, value: bytes) -> None:
        key = subject if isinstance(subject, bytes) else subject.encode()
        partition = partition_of(key.decode("utf-8", "replace"), self._partitions)
        self._number += 1
        position = Position(1, self._number)
        told = RelayHeaders("case.accepted.v1", STRANGE, position, self._last.get(partition, START))
        self._last[partition] = position
        self._producer.produce(
            self._topic, value, key, partition=partition, headers=dict(told.raw())
        )
        self._producer.flush(10)


async def faults(play: Playing) -> list[tuple[str, str, int | None]]:
    found = (await play.get("/faults")).json()["items"]
    return [(one["kind"], one["subject"], one["sequence"]) for one in found]


async def alarms(play: Playing) -> dict[str, float]:
    async with httpx.AsyncClient(trust_env=False) as client:
        text = (await client.get(f"{play.audit.health_url}/metrics")).text
    lines = [line for line in text.splitlines() if line.startswith("bihuan_audit_faults{")]
    counted = {line.split('"')[1]: float(line.rpartition(" ")[2]) for line in lines}
    return {kind: number for kind, number in counted.items() if number}


def test_a_break_is_kept_on_record_and_raises_an_alarm_but_stops_nothing(tmp_path: Path) -> None:
    async def play(where: Room) -> None:
        async with playing(where, tmp_path) as play:
            await tell_stories(play, 1)
            assert await alarms(play) == {}
            wire, subject = Wire(where), complaint(0)
            first = made_up(subject, 1, "0" * 64)
            second = made_up(subject, 2, sha256(first).hexdigest())
            wire.send(subject, first)
            wire.send(subject, second)
            wire.send(subject, made_up(subject, 3, "ab" * 32))  # continues other bytes
            third = made_up(subject, 3, "ab" * 32)
            wire.send(subject, second)  # number 2 once more, as a new record
            wire.send(subject, made_up(subject, 7, sha256(third).hexdigest()))  # 4 to 6 missing
            wire.send(complaint(8), b"\xff not an event")
            wire.send(complaint(9), made_up("somebody else", 1, "0" * 64))
            last = made_up(subject, 8, "00" * 32, time="2025-09-30T00:00")
            wire.send(subject, last)
            await play.stepper.settle()

            assert sorted(await faults(play), key=str) == sorted(
                [
                    ("chain", subject, 3),
                    ("added", subject, 2),
                    ("missing", subject, 4),
                    ("unreadable", complaint(8), None),
                    ("mislabelled", complaint(9), 1),
                    ("chain", subject, 8),
                    ("time", subject, 8),
                ],
                key=str,
            )
            assert await alarms(play) == {
                **dict.fromkeys(("added", "missing", "unreadable", "mislabelled", "time"), 1.0),
                "chain": 2.0,
            }
            assert await play.audit.ready() == []
            # every byte is there, and the next good event is taken as ever
            await play.tell(subject, "complaint.reopened.v1")
            await play.stepper.settle()
            timeline = (await play.get(f"/complaints/{subject}/timeline")).json()["items"]
            assert [step["sequence"] for step in timeline if step["source"] == STRANGE] == [
                *(1, 2, 3, 2, 7, 8)
            ]
            assert timeline[-1]["type"] == "complaint.reopened.v1"
            # the proof made again says the same of these streams, and nothing of the others
            verified = (await play.get("/verify")).json()
            assert verified["compared"] == verified["events"]
            assert {one["source"] for one in verified["faults"]} == {STRANGE}
            named = {(one["kind"], one["sequence"]) for one in verified["faults"]}
            assert {("missing", 4), ("missing", 5), ("missing", 6), ("unreadable", None)} <= named

    with room(("intake", "routing", "audit")) as where:
        asyncio.run(play(where))


def test_no_key_or_header_can_stop_the_archive(tmp_path: Path) -> None:
    async def play(where: Room) -> None:
        async with playing(where, tmp_path) as play:
            wire = Wire(where)
            for key in (b"nul \0 in it", b"\xff\xfe", b"", b"x" * 5_000):
                wire.send(key, made_up("s", 1, "0" * 64))
            await play.stepper.settle()
            await play.tell(complaint(0), "complaint.registered.v1")
            await play.stepper.settle()
            verified = (await play.get("/verify")).json()
            # four odd ones, each parked on record, one good one
            assert verified["events"] == verified["compared"] == 4 + 4 + 1 + OWN
            assert await alarms(play) == {"mislabelled": 4.0}

    with room(("intake", "routing", "audit")) as where:
        asyncio.run(play(where))


def test_a_gap_resolved_on_record_is_told_and_is_no_fault_of_the_archive(tmp_path: Path) -> None:
    async def play(where: Room) -> None:
        async with playing(where, tmp_path) as play:
            wire, subject = Wire(where), complaint(0)
            first = made_up(subject, 1, "0" * 64)
            wire.send(subject, first)
            wire.lose(subject)
            lost = made_up(subject, 2, sha256(first).hexdigest())
            wire.send(subject, made_up(subject, 3, sha256(lost).hexdigest()))
            partition = partition_of(subject, where.topics[0].partitions)
            for app in (play.intake, play.routing, play.audit):
                for _ in range(1_000):
                    if app.inbox.gaps():
                        break
                    await asyncio.sleep(0.01)
                resolve = app.inbox.resolve_gap
                await app.in_thread(resolve, partition, STRANGE, "admin:x", "lost for good")
                await app.consumers[0].go_on(partition)
            await play.stepper.settle()

            verified = (await play.get("/verify")).json()
            assert verified["faults"] == []
            (resolved,) = verified["resolved"]
            assert resolved == {
                "source": STRANGE,
                "partition": partition,
                "after": "1-1",
                "upto": "1-2",
                "by": "admin:x",
                "reason": "lost for good",
            }
            # another hole in the same stream is a fault as ever
            with psycopg.connect(where.dsns["audit"]) as conn:
                conn.execute("DELETE FROM archive WHERE source = %s AND sequence = 1", (STRANGE,))
            faults_found = (await play.get("/verify")).json()["faults"]
            assert ("missing", 1) in {(one["kind"], one["sequence"]) for one in faults_found}

    with room(("intake", "routing", "audit")) as where:
        asyncio.run(play(where))
