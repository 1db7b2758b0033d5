"""Notices, calls and the satisfaction report on a real database, over HTTP."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from contracts.intake import Outcome
from contracts.values import Correspondent, DeliveryResult, ValueTier
from libs.decider.story import SUBJECT
from services.feedback_survey import api
from services.feedback_survey.alarm import CallAlarm
from services.feedback_survey.main import describe
from tests.integration.office import Office, office
from tests.unit.feedback_survey.heard import (
    ADDRESS,
    answered,
    answered_by_work,
    at,
    clocks_started,
    closed,
    correspondent,
    delivery,
    heard,
    reply,
)
from tests.unit.feedback_survey.test_confirming import report as partner_report
from tests.unit.web.conformance import findings

ASKED = at("2025-10-18 16:00")
VIP = correspondent(tier=ValueTier.IMPORTANT)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Office]:
    with office(describe(), api.routes, tmp_path, at("2025-10-17 17:00")) as running:
        yield running


def asked(desk: Office, to: Correspondent, when: datetime = ASKED) -> None:
    desk.hear(heard(clocks_started(to), at("2025-10-17 17:00")))
    desk.hear(heard(answered_by_work(), when, "answer"))
    desk.hear(heard(answered(to=to), when))


def test_a_call_is_taken_attempted_and_answered(desk: Office) -> None:
    asked(desk, VIP)
    (call,) = desk.get("/calls")["items"]
    assert (call["reason"], call["kind"], call["receipt"], call["value_tier"]) == (
        "survey",
        "survey",
        "TS-7781-4",
        "important",
    )
    assert desk.get("/calls?reason=tell")["items"] == []
    url = f"/calls/{call['call']}"
    assert desk.post(f"{url}/take", role="partner").status_code == 403
    assert desk.post(f"{url}/take").status_code == 200
    (taken,) = desk.get("/calls?reason=survey")["items"]
    assert (taken["taken_by"], datetime.fromisoformat(taken["taken_until"])) == (
        "1501",
        at("2025-10-18 17:00"),
    )
    script = desk.get(f"{url}/script")
    assert script["reply_to"]["address"] == ADDRESS
    assert script["words"][0]["lit"].startswith("您好,受理编号TS-7781-4已答复。")
    assert "v1.sealed" not in repr(taken)
    other = desk.post(f"{url}/attempts", {"reached": True}, actor="agent:1502")
    assert (other.status_code, other.json()["rule"]) == (409, "call-taken")
    assert desk.post(f"{url}/attempts", {"reached": False}).status_code == 200
    assert desk.get(f"{url}/script", status=409)["rule"] == "call-not-taken"
    assert desk.get("/calls")["items"] == [], "tried; the next attempt is four hours later"
    desk.clock.jump(at("2025-10-18 20:00"))
    (again,) = desk.get("/calls")["items"]
    assert (again["taken_by"], len(again["attempts"]), again["attempts_max"]) == (None, 1, 3)
    said = {"reached": True, "score": 9, "resolved": True, "words": "很满意"}
    assert desk.post(f"{url}/attempts", said).status_code == 200
    assert desk.get("/calls")["items"] == []
    assert desk.post(f"{url}/attempts", {"reached": True}).status_code == 409
    told = desk.get(f"/notices/{SUBJECT}")
    assert [one["kind"] for one in told["notices"]] == ["receipt", "answer", "survey"]
    assert (told["surveys"][0]["outcome"], told["surveys"][0]["score"]) == ("satisfied", 9)
    (kept,) = told["calls"]
    assert kept["state"] == "reached"
    assert [(one["at"], one["reached"], one["agent"]) for one in kept["attempts"]] == [
        ("2025-10-18T08:00:00.000000Z", False, "1501"),
        ("2025-10-18T12:00:00.000000Z", True, "1501"),
    ]
    assert "text" not in told["notices"][0]


def test_a_call_waits_for_the_morning_and_is_overdue_after_four_hours(desk: Office) -> None:
    asked(desk, VIP, at("2025-10-18 22:00"))
    assert desk.get("/calls")["items"] == []
    desk.clock.jump(at("2025-10-19 09:00"))
    (call,) = desk.get("/calls")["items"]
    assert call["overdue"] is False
    desk.clock.jump(at("2025-10-19 13:00"))
    assert desk.get("/calls")["items"][0]["overdue"] is True
    assert desk.get("/calls?missed=true")["items"] == [], "its timer has not fired yet"
    assert fire(desk, "call.missed", at("2025-10-19 13:00"))
    (missed,) = desk.get("/calls?missed=true")["items"]
    assert (missed["call"], missed["missed"]) == (call["call"], True)
    assert desk.get("/calls?missed=false")["items"] == []
    (rung,) = desk.query(CallAlarm(CollectorRegistry()).look)
    assert rung.startswith("1 customers")
    met = {"reached": False, "how": "visit"}
    assert desk.post(f"/calls/{call['call']}/attempts", met).status_code == 200
    (tried,) = desk.get(f"/notices/{SUBJECT}")["calls"]
    assert [one["how"] for one in tried["attempts"]] == ["visit"]
    assert desk.get("/calls?missed=true")["items"] == []


def test_a_failed_survey_shows_up_as_a_call(desk: Office) -> None:
    asked(desk, correspondent())
    notices = desk.get(f"/notices/{SUBJECT}")["notices"]
    survey = next(one for one in notices if one["kind"] == "survey")
    report = delivery(survey["notice"], DeliveryResult.FAILED, ASKED)
    desk.hear(heard(report, ASKED, "report"))
    (call,) = desk.get("/calls")["items"]
    assert call["notice"] != survey["notice"]


def test_an_important_customer_is_followed_up_on_once(desk: Office) -> None:
    asked(desk, VIP)
    (survey,) = desk.get("/calls")["items"]
    said = {"reached": True, "score": 8}
    assert desk.post(f"/calls/{survey['call']}/attempts", said).status_code == 200
    desk.hear(heard(closed(Outcome.SATISFIED), ASKED))
    (planned,) = desk.get("/visits?state=waiting")["items"]
    assert datetime.fromisoformat(planned["not_before"]) == at("2025-10-25 16:00")
    assert desk.get("/calls")["items"] == [], "not before its day"
    desk.clock.jump(at("2025-10-25 16:00"))
    (visit,) = desk.get("/calls?reason=visit")["items"]
    url = f"/calls/{visit['call']}/attempts"
    assert desk.post(url, {"reached": True, "score": 4, "words": "又断了"}).status_code == 200
    assert desk.get("/visits?month=2025-09") == {"items": [], "next": None}
    (made,) = desk.get("/visits?month=2025-10", role="manager")["items"]
    assert (made["state"], made["score"], made["satisfied"], made["agent"]) == (
        "reached",
        4,
        False,
        "1501",
    )
    assert made["visited_at"] == "2025-10-25T08:00:00.000000Z"
    desk.hear(heard(closed(Outcome.SATISFIED), at("2025-10-26 10:00"), "again"))
    assert len(desk.get("/visits")["items"]) == 1


def fire(desk: Office, name: str, due: datetime) -> bool:
    """Fires a timer as the database has it, at its very instant."""
    stored = desk.query(
        lambda c: c.execute("SELECT due FROM timer WHERE name = %s", (name,)).fetchone()
    )
    assert stored["due"] == due
    desk.clock.jump(due)
    return desk.writer.transact(lambda work: work.fire("feedback", SUBJECT, name, due, True))


def test_a_reminder_and_the_end_fire_from_the_database(desk: Office) -> None:
    asked(desk, correspondent())
    assert fire(desk, "survey.remind", at("2025-10-19 16:00"))
    assert fire(desk, "survey.end", at("2025-10-21 16:00"))
    told = desk.get(f"/notices/{SUBJECT}")
    assert [one["kind"] for one in told["notices"]] == ["receipt", "answer", "survey", "reminder"]
    assert told["surveys"][0]["outcome"] == "no_answer"
    timers = desk.query(lambda c: c.execute("SELECT * FROM timer").fetchall())
    assert timers == []


def test_the_scores_of_every_cycle_are_kept(desk: Office) -> None:
    """S6: one complaint, three cycles, three surveys (3, 2, 9)."""
    asked(desk, correspondent())
    desk.hear(heard(reply("r1", 3, resolved=False), at("2025-10-18 20:30")))
    desk.hear(heard(answered(cycle=2), at("2025-10-19 19:00")))
    desk.hear(heard(reply("r2", 2, cycle=2), at("2025-10-19 21:40")))
    desk.hear(heard(answered(cycle=3), at("2025-10-20 15:00")))
    desk.hear(heard(reply("r3", 9, cycle=3), at("2025-10-20 15:20")))
    scores = [one["score"] for one in desk.get(f"/notices/{SUBJECT}")["surveys"]]
    assert scores == [3, 2, 9]


def test_an_unknown_call_and_a_foreign_role_are_refused(desk: Office) -> None:
    unknown = "00000000-0000-4000-8000-000000000404"
    assert desk.post(f"/calls/{unknown}/attempts", {"reached": True}).status_code == 404
    assert desk.post(f"/calls/{unknown}/take").status_code == 404
    desk.get(f"/calls/{unknown}/script", status=404)
    desk.get("/calls", role="partner", status=403)
    assert desk.get(f"/notices/{unknown}") == {"notices": [], "calls": [], "surveys": []}


def test_schemathesis_finds_nothing(desk: Office) -> None:
    assert findings(desk.api, desk.bearer("desk", "manager"), examples_max=4) == []


def test_a_partners_answer_is_confirmed_by_a_call_of_a_desk(desk: Office) -> None:
    """DOMAIN rule 7: "the customer gets a confirming call-back"."""
    desk.hear(heard(clocks_started(correspondent()), at("2025-10-17 17:00")))
    desk.hear(heard(partner_report(), at("2025-10-17 18:00")))
    (call,) = desk.get("/calls?reason=confirm")["items"]
    url = f"/calls/{call['call']}"
    assert desk.post(f"{url}/take").status_code == 200
    script = desk.get(f"{url}/script")
    assert (script["reply_to"]["address"], script["words"]) == (ADDRESS, [])
    scored = desk.post(f"{url}/attempts", {"reached": True, "score": 9})
    assert (scored.status_code, scored.json()["rule"]) == (422, "nothing-asked")
    assert call["partner"] == "sp-17"
    silent = desk.post(f"{url}/attempts", {"reached": True})
    assert (silent.status_code, silent.json()["rule"]) == (422, "not-confirmed")
    said = {"reached": True, "answered": True, "content": False, "words": "没解决"}
    assert desk.post(f"{url}/attempts", said).status_code == 200
    assert desk.get("/calls")["items"] == []
