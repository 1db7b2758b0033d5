"""The 10015 desk on a real database, over HTTP."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from contracts.values import ContactKind, ValueTier
from libs.decider.story import SUBJECT
from services.escalation import api, views
from services.escalation.main import describe
from tests.integration.office import Office, office
from tests.unit.escalation.heard import (
    NOON,
    at,
    breached,
    closed,
    finding,
    heard,
    linked,
    proposed,
    registered,
)
from tests.unit.web.conformance import findings

CASE = f"/complaints/{SUBJECT}/cases/1"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Office]:
    with office(describe(), api.routes, tmp_path, at("2025-10-11 09:00")) as running:
        running.hear(heard(registered(), at("2025-10-11 09:00")))
        yield running


def test_from_the_queue_to_a_closed_case(desk: Office) -> None:
    desk.hear(heard(breached(), NOON, "breach"))
    (waiting,) = desk.get("/cases")["items"]
    assert (waiting["receipt"], waiting["trigger"], waiting["stage"]) == (
        "TS-7781-4",
        "breach",
        "requested",
    )
    assert desk.post(f"{CASE}/accept").status_code == 200
    assert desk.post(f"{CASE}/accept", actor="agent:1502").status_code == 409
    assert desk.get("/cases")["items"] == []
    assert len(desk.get("/cases?stage=accepted&stage=decided")["items"]) == 1
    contact = {"channel": "hotline_10015", "reached": True}
    assert desk.post(f"{CASE}/contacts", contact).status_code == 200
    due = {"team": "network-gz", "due": "2025-10-15T16:00:00+08:00", "text": "按承诺修复"}
    assert desk.post(f"{CASE}/instructions", due).status_code == 200
    assert desk.post(f"{CASE}/close", {"unfinished": "team_dissolved"}).status_code == 409
    decision = {"decision": "upheld", "reasons": "超过承诺时限", "final": True}
    assert desk.post(f"{CASE}/decision", decision).status_code == 200
    assert desk.post(f"{CASE}/close", {"unfinished": "team_dissolved"}).status_code == 200
    known = desk.get(f"/complaints/{SUBJECT}")
    (case,) = known["cases"]
    assert (case["stage"], case["outcome"], case["reason"], case["final"]) == (
        "closed",
        "settled",
        "team_dissolved",
        True,
    )


def test_what_officers_write_never_stands_in_a_table_in_clear(desk: Office) -> None:
    desk.hear(heard(breached(), NOON, "breach"))
    desk.post(f"{CASE}/accept")
    secret = "MARKER-张三-13800138000"
    desk.post(f"{CASE}/decision", {"decision": "partly", "reasons": secret})
    names = desk.query(
        lambda c: c.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
        ).fetchall()
    )
    dumped = {
        row["table_name"]: repr(
            desk.query(lambda c, t: c.execute(f"SELECT t::text FROM {t} t").fetchall(), name)
        )
        for row in names
        if (name := row["table_name"])
    }
    assert {one.name for one in views.TABLES} <= set(dumped)
    marks = ("MARKER", b"MARKER".hex())  # bytea shows as hex
    assert not [name for name, rows in dumped.items() if any(mark in rows for mark in marks)]


def test_the_queue_comes_in_pages_highest_tier_first(desk: Office) -> None:
    for number in range(5):
        record = heard(linked(f"wish-{number}", ContactKind.ESCALATION_WISH), NOON, f"w-{number}")
        desk.hear(replace(record, subject=str(UUID(int=number + 1))))
    appeal = heard(linked("appeal", ContactKind.REGULATOR_REFERRAL), NOON, "appeal")
    desk.hear(replace(appeal, subject=str(UUID(int=99))))
    seen: list[str] = []
    url: str | None = "/cases?limit=2"
    while url:
        page = desk.get(url)
        seen += [one["complaint"] for one in page["items"]]
        url = page["next"]
    assert len(seen) == len(set(seen)) == 6
    assert seen[0] == str(UUID(int=99))


def test_s5_money_over_http(desk: Office) -> None:
    desk.hear(heard(proposed(1, "373.00"), at("2025-10-11 10:00")))
    (waiting,) = desk.get("/compensation")["items"]
    assert (waiting["amount"], waiting["state"]) == ("373.00", "submitted")
    url = f"/complaints/{SUBJECT}/compensation/1/approve"
    assert desk.post(url, role="agent").status_code == 403
    assert desk.post(url, actor="agent:8812").status_code == 403
    assert desk.post(url).status_code == 200
    assert desk.post(url).status_code == 409
    desk.hear(heard(finding(2, corrects=1, double_refund="393.00"), at("2025-10-13 10:00")))
    (supplement,) = desk.get("/compensation")["items"]
    assert supplement["amount"] == "20.00"
    refusal = f"/complaints/{SUBJECT}/compensation/2/refuse"
    assert desk.post(refusal, {"reason": "not_proven"}).status_code == 200
    granted = [one["granted"] for one in desk.get(f"/complaints/{SUBJECT}")["compensation"]]
    assert granted == ["373.00", "373.00"]


def test_a_desk_sees_its_tier_and_acts_on_no_other(desk: Office) -> None:
    """DOMAIN rule 10: "each tier has its own clock and authority"."""
    desk.hear(heard(breached(), NOON, "breach"))
    desk.hear(heard(linked("appeal", ContactKind.REGULATOR_REFERRAL), NOON, "appeal"))
    assert [one["tier"] for one in desk.get("/cases")["items"]] == [4, 2]
    assert [one["tier"] for one in desk.get("/cases?tier=3&tier=4")["items"]] == [4]
    appeal = f"/complaints/{SUBJECT}/cases/2/accept"
    refused = desk.post(appeal)
    assert (refused.status_code, refused.json()["rule"]) == (403, "another-tier")
    assert desk.post(appeal, role="headquarters").status_code == 200
    assert desk.post(f"{CASE}/accept", role="headquarters").status_code == 403


def test_open_corrective_actions_with_owner_and_due_date_and_what_is_past_due(
    desk: Office,
) -> None:
    """DOMAIN rule 10: "a corrective action with owner and due date (003 限时整改)"."""
    for number, owner in ((1, "billing-care"), (2, "network-operations")):
        subject = str(UUID(int=number))
        desk.hear(replace(heard(breached(), NOON, f"breach-{number}"), subject=subject))
        case = f"/complaints/{subject}/cases/1"
        assert desk.post(f"{case}/accept").status_code == 200
        due = f"2025-10-1{5 + number}T12:00:00+08:00"
        action = {"owner": owner, "due": due, "action": "更正账务规则"}
        rejected = {"decision": "rejected", "reasons": "不成立", "corrective_action": action}
        refused = desk.post(f"{case}/decision", rejected)
        assert (refused.status_code, refused.json()["rule"]) == (422, "nothing-to-correct")
        upheld = {**rejected, "decision": "upheld"}
        assert desk.post(f"{case}/decision", upheld).status_code == 200
    listed = [(one["owner"], one["breached"]) for one in _corrections(desk)]
    assert listed == [("billing-care", False), ("network-operations", False)]
    assert len(_corrections(desk, "?owner=billing-care")) == 1
    desk.clock.jump(at("2025-10-16 12:00"))
    assert _corrections(desk, "?state=overdue") == []  # at its due it may still be done
    desk.clock.jump(at("2025-10-16 12:01"))
    (late,) = _corrections(desk, "?state=overdue")
    assert (late["owner"], late["breached"]) == ("billing-care", True)
    done = {"what": "corrective_action", "ref": "CA-1", "digest": "a" * 64}
    for number in (1, 2):
        url = f"/complaints/{UUID(int=number)}/cases/1/reports"
        assert desk.post(url, done).status_code == 200
    assert _corrections(desk) == _corrections(desk, "?state=overdue") == []
    # What was done late stays breached, what was done in time does not.
    assert [one["breached"] for one in _corrections(desk, "?state=all&limit=1")] == [True]
    assert [one["breached"] for one in _corrections(desk, "?state=all")] == [True, False]


def _corrections(desk: Office, query: str = "") -> list[dict[str, Any]]:
    shown: list[dict[str, Any]] = desk.get(f"/corrective-actions{query}", role="manager")["items"]
    return shown


def test_race_2_on_a_real_database_the_request_is_withdrawn_with_the_complaint(
    desk: Office,
) -> None:
    desk.hear(heard(breached(), NOON, "breach"))
    desk.hear(heard(closed(), NOON))
    assert desk.get("/cases")["items"] == []
    assert desk.post(f"{CASE}/accept").status_code == 409
    (case,) = desk.get(f"/complaints/{SUBJECT}")["cases"]
    assert (case["stage"], case["outcome"]) == ("closed", "withdrawn")


def test_reads_and_commands_need_their_action(desk: Office) -> None:
    desk.get("/cases", role="agent", status=403)
    desk.get("/cases?stage=unheard", status=422)
    assert desk.post(f"/complaints/{SUBJECT}/cases/7/accept").status_code == 404
    assert registered(ValueTier.IMPORTANT).registration.correspondent.receipt == "TS-7781-4"


def test_schemathesis_finds_nothing(desk: Office) -> None:
    assert findings(desk.api, desk.bearer("desk", "headquarters", "manager"), examples_max=4) == []
