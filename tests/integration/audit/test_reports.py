"""S8, points 1 to 5: promises and volume on real servers, from everywhere the same bytes."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from psycopg.rows import dict_row

from libs.decider import Event, To
from libs.eventlog.envelope import Origin
from libs.eventlog.service import Service
from libs.messaging.app import App
from libs.messaging.log_source import KafkaLog
from libs.messaging.stepping import Stepper
from libs.sheets import FORMATS, Format, written
from libs.timekeeping.clock import SteppedClock
from libs.web.auth import issue_token, make_signing_key
from services.audit.domain.reporting import REPORTS, Period
from services.audit.main import build as build_audit
from services.audit.main import describe as describe_audit
from services.audit.replayed import replay, replay_lines
from services.audit.reports import TooManyRows, report_file
from services.sla_watch.config import Settings as WatchSettings
from services.sla_watch.main import build as build_watch
from services.sla_watch.main import describe as describe_watch
from tests.again import made_again
from tests.integration.audit import oracle
from tests.integration.audit.tellers import Tell, complaint, settings, teller
from tests.integration.runtime.toys import make_app
from tests.stack import Room, emptied, room
from tests.unit.sla_watch import told
from tests.unit.timekeeping.instants import at

ALL = Period(date(2025, 10, 1), date(2026, 1, 31))
OCTOBER = Period(date(2025, 10, 1), date(2025, 10, 31))


@dataclass
class Floor:
    """Two tellers, sla_watch and audit, running on a stepped clock."""

    apps: dict[str, App]
    clock: SteppedClock
    token: str
    stepper: Stepper = field(init=False)

    def __post_init__(self) -> None:
        self.stepper = Stepper(tuple(self.apps.values()), self.clock)

    async def say(self, by: str, events: list[tuple[int, Event]]) -> None:
        """A service tells these now, in one decision."""
        app = self.apps[by]

        def decide(work: Any) -> None:
            for number, event in events:
                work.apply(
                    To(complaint(number), Tell(at=self.clock.now(), event=event)),
                    Origin("key:1", "agent:x"),
                )

        await app.in_thread(app.writer.transact, decide)

    async def get(self, service: str, url: str, status: int = 200) -> bytes:
        headers = {"Authorization": f"Bearer {self.token}"}
        async with httpx.AsyncClient(
            base_url=self.apps[service].api_url, headers=headers, timeout=60, trust_env=False
        ) as client:
            answer = await client.get(url)
        assert answer.status_code == status, answer.text
        return answer.content

    async def report(self, name: str, period: Period, form: Format = Format.JSON) -> bytes:
        url = f"/reports/{name}?from={period.first}&to={period.last}&format={form}"
        return await self.get("audit", url)


@asynccontextmanager
async def floor(where: Room, keys: Path) -> AsyncIterator[Floor]:
    clock = SteppedClock(at("2025-10-24 09:00"))
    signing = make_signing_key(keys)
    shared = settings(where, keys).model_dump(exclude={"postgres_dsn", "verify_sort_mb"})
    watch = WatchSettings(**{**_known(shared), "postgres_dsn": where.service_dsns["sla_watch"]})
    apps = {
        "intake": make_app(teller("intake"), where, keys, clock),
        "routing": make_app(teller("routing"), where, keys, clock),
        "sla_watch": build_watch(watch, clock),
        "audit": build_audit(settings(where, keys), clock),
    }
    token = issue_token(
        signing, actor="agent:x", roles=["auditor"], real_now_s=time.time(), lifetime_s=600
    )
    await asyncio.gather(*(app.start() for app in apps.values()))
    try:
        yield Floor(apps, clock, token)
    finally:
        await asyncio.gather(*(app.stop() for app in apps.values()))


def _known(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name in WatchSettings.model_fields}


async def month(play: Floor, first: int, start: str, answered: str, met: int, missed: int) -> None:
    """So many billing disputes told at one instant; the first `met` answered."""
    await play.stepper.run_until(at(start))
    numbers = range(first, first + met + missed)
    await play.say("intake", [(number, told.registered(start)) for number in numbers])
    await play.stepper.run_until(at(answered))
    await play.say("routing", [(number, told.answered()) for number in numbers[:met]])
    await play.stepper.settle()


async def s8(play: Floor) -> None:
    """October's `resolve` clocks (98 %), as S8 (2) has them; the other months play in e2e."""
    start = "2025-10-24 10:00"  # a Friday: due 2025-11-01 00:00 (27-31), and so October's
    withdrawn, merged, reclassified = 1, 2, 3
    await play.stepper.run_until(at(start))
    await play.say("intake", [(number, told.registered(start)) for number in (1, 2, 3)])
    await month(play, 4, start, "2025-10-27 09:00", 49, 1)
    away = told.reclassified(start, "mobile.coverage")  # which has no promise to resolve
    await play.say("intake", [(withdrawn, told.withdrawn())])
    await play.say("intake", [(merged, told.merged()), (reclassified, away)])
    await play.stepper.run_until(at("2025-11-05 00:00"))
    await play.stepper.settle()


def resolve_lines(document: Any) -> dict[str, tuple[Any, ...]]:
    return {
        row["month"]: (
            *(row["met"], row["breached"], row["cancelled"]),
            *(row["share"]["shown"], row["promised"], row["kept"]),
        )
        for row in document["rows"]
        if row["clock"] == "resolve"
    }


def as_sla_watch_tells(document: Any) -> bytes:
    """The promise table in the words of sla_watch's own view, as bytes."""
    rows = [
        [row[name] for name in ("month", "clock", "policy", "history")]
        + [row[name] for name in ("met", "breached", "cancelled")]
        + [row.get("promised", row.get("promised_share")), row["kept"]]
        for row in document["rows"]
    ]
    return repr(rows).encode()


async def values_of(where: Room) -> list[bytes]:
    log = KafkaLog(where.bootstrap, f"{where.prefix}complaints.log", where.topics[0].partitions)
    return [one.value for one in log.read() if one.value is not None]


async def dropped_and_made_again(service: Service, where: Room, topic_id: str) -> None:
    """The service's database dropped and rebuilt from the log."""
    emptied(where.dsns[service.name])
    dsn = where.service_dsns[service.name]
    await made_again(
        service,
        dsn,
        where.bootstrap,
        topic=f"{where.prefix}complaints.log",
        topic_id=topic_id,
        partitions=where.topics[0].partitions,
    )


def test_s8_promises_and_volume_are_the_same_live_rebuilt_and_replayed(
    tmp_path: Path,
) -> None:
    """S8: 49 of 50 kept; from everywhere the same bytes (5)."""

    async def play(where: Room) -> None:
        async with floor(where, tmp_path) as running:
            await s8(running)
            topic_id = running.apps["audit"].inbox.topic_id
            live = {
                (name, form): await running.report(name, ALL, form)
                for name in ("promises", "volume")
                for form in FORMATS
            }
            document = _json(live["promises", Format.JSON])
            assert resolve_lines(document) == {
                "2025-10": (49, 1, 3, "98.00 %", "98 %", True),
            }
            assert resolve_lines(_json(await running.report("promises", OCTOBER))) == {
                "2025-10": (49, 1, 3, "98.00 %", "98 %", True)
            }
            watched = await running.get("sla_watch", "/promises")
            assert as_sla_watch_tells(_json(watched)) == as_sla_watch_tells(document)
            await _refusals(running)
            three = (report_file, "promises", ALL, Format.JSON, None, 3)
            with pytest.raises(TooManyRows):
                await running.apps["audit"].query(*three)
            first = await running.get(
                "audit", f"/reports/promises?from={ALL.first}&to={ALL.last}&top=2"
            )
            assert _json(first)["rows"] == document["rows"][:2]
        values = await values_of(where)
        _by_the_oracle(values, document, _json(live["volume", Format.JSON]))
        again = replay(values).facts
        lines = replay_lines([*reversed(values), *values[:50]]).facts
        for (name, form), told_live in live.items():
            assert written(REPORTS[name](again, ALL), form) == told_live, "by replay"
            assert written(REPORTS[name](lines, ALL), form) == told_live, "shuffled, told twice"
        await dropped_and_made_again(describe_watch(), where, topic_id)
        await dropped_and_made_again(describe_audit(), where, topic_id)
        with psycopg.connect(where.dsns["audit"], row_factory=dict_row) as conn:
            for (name, form), told_live in live.items():
                with report_file(conn, name, ALL, form) as told_again:
                    assert told_again.read() == told_live, "rebuilt"
                conn.rollback()
        async with floor(where, tmp_path) as running:
            await running.stepper.settle()
            assert await running.get("sla_watch", "/promises") == watched, "rebuilt sla_watch"
            assert await running.report("promises", ALL) == live["promises", Format.JSON]

    with room(("intake", "routing", "sla_watch", "audit")) as where:
        asyncio.run(play(where))


async def _refusals(running: Floor) -> None:
    await running.get("audit", "/reports/moods?from=2025-10-01&to=2025-10-31", 404)
    await running.get("audit", "/reports/promises?from=2025-10-31&to=2025-10-01", 422)
    await running.get("audit", "/reports/promises?from=1990-01-01&to=2025-10-01", 422)
    await running.get("audit", "/reports/promises?from=2025-02-30&to=2025-10-01", 422)
    await running.get("audit", "/reports/promises", 422)
    await running.get("audit", "/reports/promises?from=2025-10-01&to=2025-10-31&format=pdf", 422)


def _by_the_oracle(values: list[bytes], promises: Any, volume: Any) -> None:
    events = oracle.events_of(values)
    counted = oracle.promises(events, ALL.first, ALL.last)
    shown = {
        tuple(row[name] for name in ("month", "clock", "policy", "history")): row
        for row in promises["rows"]
    }
    assert shown.keys() == counted.keys()
    for key, (met, breached, cancelled, _, kept) in counted.items():
        row = shown[key]
        assert (row["met"], row["breached"], row["cancelled"]) == (met, breached, cancelled)
        assert row["kept"] is kept
    for by in ("all", "category", "province", "channel"):
        rows = {row["key"]: row for row in volume["rows"] if row["by"] == by}
        tallies = oracle.volume(events, ALL.first, ALL.last, by)
        assert rows.keys() == tallies.keys()
        for key, tally in tallies.items():
            assert {name: rows[key][name] for name in tally} == dict(tally)


def _json(told_bytes: bytes) -> Any:
    return json.loads(told_bytes)
