"""The clocks on a real database, over HTTP: shown, lapsing, promised, and counted anew."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry

from contracts.feedback_survey import SurveyOutcome
from libs.decider import Event, Recorded
from libs.messaging.policy_routes import policy_routes
from services.sla_watch import api
from services.sla_watch.alarm import CalendarAlarm
from services.sla_watch.main import describe
from tests.integration.office import Office, office
from tests.unit.sla_watch import told
from tests.unit.sla_watch.play import Play
from tests.unit.sla_watch.test_views import activated
from tests.unit.timekeeping.instants import at
from tests.unit.web.conformance import findings

START = "2025-10-24 10:00"
ONE = UUID(int=1)


def record(event: Event, when: str, complaint: UUID = ONE) -> Recorded[Any]:
    return replace(Play().record(event, when), subject=str(complaint))


def hear(watch: Office, event: Event, when: str, complaint: UUID = ONE) -> None:
    recorded = record(event, when, complaint)
    watch.hear(replace(recorded, time=max(recorded.time, watch.clock.now()), occurred=at(when)))


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Office]:
    def routes(query: Any, _wax: Any) -> Any:
        policies = policy_routes(describe(), query, api.reconsidering(query))
        return (*api.routes(query), api.version_routes(query, describe()), policies)

    with office(describe(), routes, tmp_path, at("2025-10-01 00:00")) as running:
        running.hear(activated())
        yield running


def states(watch: Office, complaint: UUID = ONE) -> dict[str, str]:
    return {one["clock"]: one["state"] for one in watch.get(f"/clocks/{complaint}")}


def test_a_complaints_clocks_from_its_first_words_to_its_verdicts(watch: Office) -> None:
    hear(watch, told.registered(START), START)
    assert states(watch) == dict.fromkeys(
        ("acknowledge", "first_contact", "resolve", "legal.answer"), "running"
    )
    hear(watch, told.receipt(), "2025-10-24 10:00:01")
    hear(watch, told.suspended(), "2025-10-24 10:30")
    (paused,) = [one for one in watch.get(f"/clocks/{ONE}") if one["state"] == "paused"]
    asked = {"complaints": [str(UUID(int=7)), str(ONE)]}
    assert watch.post("/asked-clocks", asked).json()["clocks"] == watch.get(f"/clocks/{ONE}")
    assert (paused["clock"], paused["due_at"]) == ("resolve", None)
    assert paused["paused_since"] == "2025-10-24T02:30:00.000000Z"
    hear(watch, told.resumed(), "2025-10-24 10:40")
    hear(watch, told.answered(), "2025-10-27 09:00")
    hear(watch, told.asked("2025-10-27 09:00"), "2025-10-27 09:00")
    hear(watch, told.concluded(SurveyOutcome.SATISFIED), "2025-10-27 12:00")
    hear(watch, told.closed(), "2025-10-27 12:00")
    assert states(watch) == {
        "acknowledge": "met",
        "first_contact": "breached",
        "resolve": "met",
        "legal.answer": "met",
        "survey": "met",
    }
    watch.get(f"/clocks/{UUID(int=99)}", status=404)


def test_what_is_about_to_lapse_comes_in_pages_the_soonest_first(watch: Office) -> None:
    for number in range(1, 6):
        complaint = UUID(int=number)
        hear(watch, told.registered(START, "unclassified"), f"{START}:0{number}", complaint)
    seen: list[tuple[str, str]] = []
    url: str | None = "/lapsing?within_minutes=60&limit=3"
    while url:
        page = watch.get(url)
        seen += [(one["due_at"], one["complaint"]) for one in page["items"]]
        url = page["next"]
    assert len(seen) == len(set(seen)) == 10, "five receipts and five first contacts"
    assert seen == sorted(seen)
    assert len(watch.get("/lapsing?within_minutes=10")["items"]) == 5
    watch.get("/lapsing?within_minutes=-1", status=422)


def test_the_promise_table_of_a_month(watch: Office) -> None:
    for number in range(1, 5):
        complaint = UUID(int=number)
        hear(watch, told.registered(START), START, complaint)
    hear(watch, told.answered(), "2025-10-24 10:30", UUID(int=1))
    hear(watch, told.answered(), "2025-10-24 10:30", UUID(int=2))
    hear(watch, told.withdrawn(), "2025-10-24 10:31", UUID(int=3))
    hear(watch, told.answered(), "2025-11-03 09:00", UUID(int=4))
    table = watch.get("/promises?month=2025-10", role="manager")["rows"]
    lines = {one["clock"]: one for one in table}
    assert lines["resolve"] == {
        "clock": "resolve",
        "policy": "1",
        "month": "2025-10",
        "history": False,
        "met": 2,
        "breached": 1,
        "cancelled": 1,
        "promised_share": "98 %",
        "kept": False,
    }, "due 2025-11-01 00:00, and so October's"
    assert lines["first_contact"]["breached"] == 1
    every = watch.get("/promises", role="manager")["rows"]
    assert {one["month"] for one in every} == {"2025-10", "2025-11"}
    assert [one for one in every if one["month"] == "2025-10"] == table
    watch.get("/promises?month=2025-13", role="manager", status=422)
    watch.get("/promises", role="agent", status=403)


CALENDAR = {
    "name": "working-days",
    "version": "state-council-2027",
    "effective_from": "2027-01-03",
    "base": "chinesecalendar",
    "base_fingerprint": "d346767ca74cd2f0586c8b528476c9a483dc7ced27d0dcd5b548218c755ec9a6",
    "last": "2027-12-31",
    "days_off": {"2027-01-01": "New Year's Day"},
    "worked": [],
}


def activate(watch: Office, content: Any, role: str = "admin", **more: Any) -> Any:
    body = {"text": json.dumps(content), **more}
    return watch.post("/policies/working-days", body, role=role)


def test_unknown_dues_are_an_alarm_until_a_calendar_is_loaded(watch: Office) -> None:
    late = "2026-12-29 10:00"
    for number in range(1, 4):
        hear(watch, told.registered(late), late, UUID(int=number))
    hear(watch, told.answered(), "2026-12-31 10:00", UUID(int=2))
    registry = CollectorRegistry()
    alarm = CalendarAlarm(lambda: watch.writer.policies, watch.clock.now, registry)
    assert watch.query(alarm.look) == (
        "4 clocks have no due, for the working days are known until 2026-12-31 only: "
        "load the next year (docs/policies.md, The calendar)",
    )
    assert registry.get_sample_value("bihuan_sla_unknown_dues") == 4
    until = registry.get_sample_value("bihuan_sla_calendar_until_seconds")
    assert until == at("2027-01-01 00:00").timestamp()
    waiting = watch.get("/unknown-dues?limit=200")["items"]
    assert {(one["complaint"], one["clock"]) for one in waiting} == {
        (str(UUID(int=number)), clock) for number in (1, 3) for clock in ("resolve", "legal.answer")
    }
    watch.clock.jump(at("2027-01-02 09:00"))
    assert activate(watch, CALENDAR, "desk").status_code == 403
    passed = activate(watch, CALENDAR | {"effective_from": "2027-01-01"})
    assert (passed.status_code, passed.json()["rule"]) == (422, "policy-counts-from-the-past")
    loaded = activate(watch, CALENDAR, at_once=True)
    assert loaded.status_code == 200, loaded.text
    assert [one["type"] for one in loaded.json()["events"]] == ["policy.activated.v1"]
    assert watch.get("/unknown-dues")["items"] == []
    assert watch.query(alarm.look) == ()
    assert registry.get_sample_value("bihuan_sla_unknown_dues") == 0
    until = registry.get_sample_value("bihuan_sla_calendar_until_seconds")
    assert until == at("2028-01-01 00:00").timestamp()
    dues = {one["clock"]: one["due_at"] for one in watch.get(f"/clocks/{UUID(int=1)}")}
    assert dues["resolve"] == "2027-01-06T16:00:00.000000Z"
    (answered,) = [one for one in watch.get(f"/clocks/{UUID(int=2)}") if one["clock"] == "resolve"]
    assert (answered["state"], answered["month"]) == ("met", "2027-01")
    again = activate(watch, CALENDAR, at_once=True)
    assert (again.status_code, again.json()["events"]) == (200, [])


def test_a_calendar_version_never_changes_and_never_contradicts_itself(watch: Office) -> None:
    assert activate(watch, CALENDAR).status_code == 200
    other = CALENDAR | {"worked": ["2027-01-03"]}
    taken = activate(watch, other)
    assert (taken.status_code, taken.json()["rule"]) == (422, "policy-version-taken")
    both = CALENDAR | {"version": "v3", "worked": ["2027-01-01"]}
    unsound = activate(watch, both)
    assert (unsound.status_code, unsound.json()["rule"]) == (422, "policy-unsound")
    short = CALENDAR | {"version": "v4", "last": "2025-12-31"}
    assert activate(watch, short).status_code == 422


def test_schemathesis_finds_nothing(watch: Office) -> None:
    hear(watch, told.registered(START), START)
    found = findings(watch.api, watch.bearer("admin", "manager"), examples_max=15)
    assert found == [], "\n\n".join(found)
