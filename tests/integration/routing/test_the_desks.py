"""Desks at work on a real database, over HTTP: queues, promises, money, answers, teams."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from contracts.escalation import CaseInstructed, CompensationGranted, GrantedUnder
from contracts.feedback_survey import ConfirmationRecorded
from contracts.intake import ComplaintClosed, Outcome
from contracts.sla_watch import ClockBreached, ClocksStarted, ClockWarned, StartCause, VerdictBasis
from contracts.values import (
    Basis,
    Category,
    Clock,
    ClockPurpose,
    CustomerClass,
    Language,
    PaidBy,
    Payer,
    PolicyRef,
    Profile,
    StaffRef,
    Urgency,
    WarningLevel,
)
from libs.decider import Event, Policies
from libs.decider.story import SUBJECT
from services.routing import api, views
from services.routing.main import describe
from tests.integration.office import Office, office
from tests.unit.routing.desks import NOON, heard, profile, t
from tests.unit.routing.test_reactions import verified
from tests.unit.web.client import Client
from tests.unit.web.conformance import findings

WORK = f"/work/{SUBJECT}"
BILLING = profile(Category.BILLING_OVERCHARGE)
RESOLVE_DUE = t("2025-10-17 00:00")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Office]:
    running: list[Office] = []

    def policies() -> Policies:
        return running[0].writer.policies

    def routes(query: Any, sealer: Any) -> Any:
        return api.routes(query, sealer, policies)

    with office(describe(), routes, tmp_path, NOON) as one:
        running.append(one)
        yield one


def hear(desk: Office, event: Event, sequence: int = 1, subject: str = SUBJECT) -> None:
    told_by = {"clock": "sla_watch", "clocks": "sla_watch", "confirmation": "feedback_survey"}
    source = f"/bihuan/{told_by.get(event.type.split('.')[0], 'intake')}"
    desk.hear(heard(event, at=desk.clock.now(), subject=subject, sequence=sequence, source=source))


def told(about: Profile = BILLING) -> Event:
    return verified().model_copy(update={"profile": about})


def clocks() -> ClocksStarted:
    def clock(code: str, purpose: ClockPurpose, due: Any) -> Clock:
        return Clock(
            clock=code,
            started_in=1,
            purpose=purpose,
            clock_from=NOON,
            due=due,
            policy=PolicyRef(name="clocks", version="v1"),
        )

    started = [
        clock("first_contact", ClockPurpose.FIRST_CONTACT, t("2025-10-09 13:00")),
        clock("resolve", ClockPurpose.RESOLVE, RESOLVE_DUE),
        clock("legal_answer", ClockPurpose.LEGAL_ANSWER, t("2025-10-25 00:00")),
    ]
    return ClocksStarted(
        cycle=1, cause=StartCause.REGISTERED, clock_from=NOON, clocks=tuple(started)
    )


def taken(desk: Office) -> str:
    """The complaint in the hands of whoever was asked; returns that agent."""
    hear(desk, told())
    team = desk.get(WORK, role="agent")["team"]
    agent = {"billing-care": "5301", "billing-second": "5311"}[team]
    answer = desk.post(f"{WORK}/accept", {}, role="agent", actor=f"agent:{agent}")
    assert answer.status_code == 200, answer.text
    return agent


def post(desk: Office, agent: str, what: str, body: dict[str, Any], role: str = "agent") -> Any:
    return desk.post(f"{WORK}/{what}", body or {}, role=role, actor=f"agent:{agent}")


def queue(desk: Office, agent: str, query: str = "") -> list[dict[str, Any]]:
    headers = desk.headers("agent", actor=f"agent:{agent}")
    rows: list[dict[str, Any]] = []
    url: str | None = f"/queue{query}"
    while url:
        answer = Client(desk.api).get(url, headers=headers)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        rows += page["items"]
        url = page["next"]
    return rows


def test_from_the_queue_to_the_answer(desk: Office) -> None:
    agent = taken(desk)
    hear(desk, clocks())
    [item] = queue(desk, agent)
    assert (item["complaint"], item["due"]) == (SUBJECT, "2025-10-09T05:00:00.000000Z")
    contact = {"channel": "hotline_10010", "reached": True}
    assert post(desk, agent, "contact", contact).status_code == 200
    [item] = queue(desk, agent)
    assert item["due"] == "2025-10-16T16:00:00.000000Z", "the first contact is made"
    answer = {"explanation": "多收费用已核实", "decision": "upheld", "told_by": "message"}
    done = post(desk, agent, "answer", answer)
    assert [one["type"] for one in done.json()["events"]] == ["work.answered.v1"]
    assert queue(desk, agent) == []
    [owned] = queue(desk, agent, "?of=owned")
    assert (owned["phase"], owned["owner_agent"]) == ("answered", agent)


def test_the_queue_goes_by_urgency_and_due_time_in_pages(desk: Office) -> None:
    """The issue: "A desk view: my queue by urgency and due time"."""
    abroad = profile(Category.ROAMING_DOMESTIC)
    wanted: list[tuple[str, Urgency, Any]] = [
        ("1", Urgency.ORDINARY, t("2025-10-20 00:00")),
        ("2", Urgency.URGENT, t("2025-10-30 00:00")),
        ("3", Urgency.ORDINARY, t("2025-10-10 00:00")),
        ("4", Urgency.ORDINARY, None),
        ("5", Urgency.URGENT, t("2025-10-12 00:00")),
    ]
    for number, urgency, due in wanted:
        subject = str(UUID(int=int(number)))
        hear(desk, told(abroad.model_copy(update={"urgency": urgency})), subject=subject)
        started = clocks()
        resolve = started.clocks[1].model_copy(update={"due": due})
        hear(desk, started.model_copy(update={"clocks": (resolve,)}), subject=subject)
    rows = queue(desk, "6201", "?limit=2")
    assert [UUID(row["complaint"]).int for row in rows] == [5, 2, 3, 1, 4]


def test_warned_and_breached_promises_show_and_ask_for_a_plan(desk: Office) -> None:
    """EVENTS 28: "from 80 % asks for a delay plan"."""
    agent = taken(desk)
    hear(desk, clocks(), 1)
    resolve = {"clock": "resolve", "started_in": 1, "purpose": ClockPurpose.RESOLVE}
    hear(desk, ClockWarned(cycle=1, **resolve, level=WarningLevel.MOST, due=RESOLVE_DUE), 2)
    assert queue(desk, agent)[0]["warned"] == "80"
    assert desk.get(WORK, role="agent")["delay_plans_wanted"] == ["resolve"]
    plan = {"clock": "resolve", "new_due": "2025-10-20T12:00:00+08:00", "plan": "周一上门"}
    assert post(desk, agent, "delay-plan", plan).status_code == 200
    assert desk.get(WORK, role="agent")["delay_plans_wanted"] == []
    breached = ClockBreached(cycle=1, **resolve, due_at=RESOLVE_DUE, basis=VerdictBasis.COMPLETE)
    hear(desk, breached, 3)
    [item] = queue(desk, agent)
    assert (item["breached"], item["due"]) == (1, "2025-10-09T05:00:00.000000Z")


def test_a_promise_is_checked_against_the_clocks_that_were_heard(desk: Office) -> None:
    agent = taken(desk)
    hear(desk, clocks())
    late = post(desk, agent, "promise", {"new_due": "2025-10-17T00:00:01+08:00"})
    assert (late.status_code, late.json()["rule"]) == (422, "later-than-policy")
    assert post(desk, agent, "promise", {"new_due": "2025-10-17T00:00:00+08:00"}).status_code == 200
    missing = {"clock": "repair.broadband", "new_due": "2025-10-20T12:00:00+08:00", "plan": "x"}
    assert post(desk, agent, "delay-plan", missing).json()["rule"] == "no-such-clock"


def test_s5_compensation_comes_before_the_answer(desk: Office) -> None:
    agent = taken(desk)
    refund = {"finding": 1, "basis": "double_refund"}
    early = post(desk, agent, "compensation", refund)
    assert (early.status_code, early.json()["rule"]) == (422, "no-such-finding")
    for amount in ("186.505", "-1", "1e3", "NaN", 186.5):
        finding = {"cause": "operator", "overcharged": amount}
        assert post(desk, agent, "finding", finding).status_code == 422
    finding = {"cause": "operator", "overcharged": "186.50"}
    assert post(desk, agent, "finding", finding).status_code == 200
    assert post(desk, agent, "compensation", refund).status_code == 200
    [shown] = desk.get(WORK, role="agent")["findings"]
    assert (shown["overcharged"], shown["proposed"]) == ("186.50", "373.00")
    answer = {"explanation": "已核实", "decision": "upheld", "told_by": "call"}
    waits = post(desk, agent, "answer", answer)
    assert (waits.status_code, waits.json()["rule"]) == (409, "compensation-pending")
    granted = CompensationGranted(
        cycle=1,
        finding=1,
        asked=UUID(shown["asked"]),
        basis=Basis.DOUBLE_REFUND,
        amount="373.00",
        total="373.00",
        under=GrantedUnder.APPROVAL,
        by="9001",
        role="desk",
        paid_by=PaidBy(party=Payer.OPERATOR),
    )
    hear(desk, granted, 9)
    assert post(desk, agent, "answer", answer).status_code == 200


def test_a_rent_waiver_is_owed_once_for_a_finding_and_those_that_set_it_right(desk: Office) -> None:
    """EVENTS 32: a duty to propose a waiver; after a correction the supplement comes by itself."""
    agent = taken(desk)
    breached = ClockBreached(
        cycle=1,
        clock="legal.repair.urban",
        started_in=1,
        purpose=ClockPurpose.LEGAL_REPAIR,
        due_at=NOON,
        basis=VerdictBasis.COMPLETE,
    )
    due = (
        clocks()
        .clocks[0]
        .model_copy(
            update={
                "clock": "legal.repair.urban",
                "purpose": ClockPurpose.LEGAL_REPAIR,
                "due": NOON,
            }
        )
    )
    hear(desk, clocks().model_copy(update={"clocks": (due,)}))
    hear(desk, breached, 2)
    outage = {
        "cause": "operator",
        "outage_from": "2025-10-01T20:00:00+08:00",
        "outage_to": "2025-10-04T21:30:00+08:00",
        "monthly_rent": "88.00",
    }
    assert post(desk, agent, "finding", outage).status_code == 200
    assert desk.get(WORK, role="agent")["rent_waivers_owed"] == [1]
    waiver = {"finding": 1, "basis": "rent_waiver"}
    assert post(desk, agent, "compensation", waiver).status_code == 200
    assert desk.get(WORK, role="agent")["rent_waivers_owed"] == []
    longer = {**outage, "outage_to": "2025-10-05T21:30:00+08:00", "corrects": 1}
    assert post(desk, agent, "finding", longer).status_code == 200
    assert desk.get(WORK, role="agent")["rent_waivers_owed"] == []


def test_an_opinion_carries_out_the_instruction_the_team_was_given(desk: Office) -> None:
    agent = taken(desk)
    instructed = CaseInstructed(
        cycle=1,
        case=1,
        tier=2,
        instruction=1,
        team="mobile-care",
        due=RESOLVE_DUE,
        text="v1.sealed.text",
    )
    hear(desk, instructed, 9)
    assert desk.get(WORK, role="agent")["team"] == "mobile-care"
    by = {"role": "agent", "actor": "agent:5001"}
    assert desk.post(f"{WORK}/accept", {}, **by).status_code == 200
    wrong = {"opinion": "已重建", "case": 7, "instruction": 1}
    assert desk.post(f"{WORK}/opinion", wrong, **by).json()["rule"] == "instruction-unknown"
    assert desk.post(f"{WORK}/opinion", {"opinion": "已重建"}, **by).status_code == 200
    state = desk.writer.begin().state("work", SUBJECT)
    assert state.carried_out == {(1, 1)}
    assert state.agent == agent, "back at the owner's desk"


def test_what_people_write_stands_nowhere_in_clear(desk: Office) -> None:
    agent = taken(desk)
    secret = "MARKER-张三-13800138000"
    asked = {
        "waiting_for": "customer",
        "reason": "bill_needed",
        "question": secret,
        "until": "2025-10-13T12:00:00+08:00",
    }
    assert post(desk, agent, "suspend", asked).status_code == 200
    assert post(desk, agent, "resume", {}).status_code == 200
    assert post(desk, agent, "promise", {"new_due": "2025-10-10T12:00:00+08:00", "plan": secret})
    answer = {"explanation": secret, "decision": "partly", "told_by": "call", "next_steps": secret}
    assert post(desk, agent, "answer", answer).status_code == 200
    tables = [one.name for one in views.TABLES]
    for table in tables:
        rows = desk.query(
            lambda conn, name: conn.execute(f"SELECT * FROM {name}").fetchall(), table
        )
        assert secret not in repr(rows)
    events = desk.query(
        lambda conn: conn.execute(
            f"SELECT state FROM {desk.writer.store.recorder.events_table_name}"
        ).fetchall()
    )
    assert all(secret.encode() not in bytes(row["state"]) for row in events)
    assert any(b"v1.sealed.explanation" in bytes(row["state"]) for row in events)


def test_a_manager_assigns_to_whoever_has_least(desk: Office) -> None:
    subjects = [str(UUID(int=number)) for number in range(1, 5)]
    for subject in subjects:
        hear(desk, told(), subject=subject)
    for subject in subjects[:2]:
        body = {"team": "billing-care", "agent": "5301"}
        assert desk.post(f"/work/{subject}/assign", body, role="manager").status_code == 200
    body = {"team": "billing-care"}
    assert desk.post(f"/work/{subjects[2]}/assign", body, role="manager").status_code == 200
    assert desk.post(f"/work/{subjects[3]}/assign", body, role="manager").status_code == 200
    loads = desk.get("/reports/loads", role="manager")["rows"]
    by_agent = {row["agent"]: row["assigned"] for row in loads if row["team"] == "billing-care"}
    assert by_agent == {"5301": 2, "5302": 1, "5303": 1}
    assert desk.post(f"/work/{subjects[0]}/assign", body, role="agent").status_code == 403


def test_a_changed_team_counts_for_the_next_complaint(desk: Office) -> None:
    """Both in one transaction: `team.changed`, and the policy that routing decides by."""
    before = desk.get("/teams", role="manager")
    seat = {"agent": "5999", "skills": ["billing"], "languages": ["zh", "en"]}
    body = {"queues": ["billing"], "seats": [seat], "province": "hainan"}
    answer = put(desk, "/teams/hainan-billing", body)
    assert [one["type"] for one in answer.json()["events"]] == [
        "team.changed.v1",
        "policy.activated.v1",
    ]
    after = desk.get("/teams", role="manager")
    assert (before["version"], after["version"]) == ("v1", "v1+1")
    hear(desk, told(profile(Category.BILLING, home="hainan", language=Language.ZH)))
    assert desk.get(WORK, role="agent")["team"] == "hainan-billing"
    assert put(desk, "/teams/hainan-billing", body).json()["events"] == []
    [row] = desk.query(lambda conn: conn.execute("SELECT * FROM team").fetchall())
    assert (row["team"], row["province"]) == ("hainan-billing", "hainan")
    for odd in ({"calendar": "never"}, {"seats": [seat, seat]}):
        answer = put(desk, "/teams/odd", {**body, **odd})
        assert (answer.status_code, answer.json()["rule"]) == (422, "team-unsound")
    nowhere = put(desk, "/teams/hainan-mobile", {**body, "province": "hainnan"})
    assert (nowhere.status_code, nowhere.json()["rule"]) == (422, "policy-unsound")
    assert "unknown province 'hainnan': did you mean hainan? (海南, Hainan)" in nowhere.text
    [same] = desk.query(lambda conn: conn.execute("SELECT * FROM team").fetchall())
    assert same == row, "nothing of it is on record"


def put(desk: Office, url: str, body: dict[str, Any]) -> Any:
    return Client(desk.api).request("PUT", url, headers=desk.headers("admin"), json=body)


def test_a_repeated_key_returns_the_first_outcome(desk: Office) -> None:
    agent = taken(desk)
    headers = desk.headers("agent", actor=f"agent:{agent}")
    body = {"new_due": "2025-10-10T12:00:00+08:00", "plan": "明天中午前答复"}
    first = Client(desk.api).post(f"{WORK}/promise", headers=headers, json=body)
    again = Client(desk.api).post(f"{WORK}/promise", headers=headers, json=body)
    assert (first.status_code, first.content) == (again.status_code, again.content)
    assert len(desk.get(WORK, role="agent")["promises"]) == 1


def test_only_some_may_date_a_fact(desk: Office) -> None:
    agent = taken(desk)
    late = {"channel": "sms", "reached": True, "occurred_at": "2025-10-09T11:30:00+08:00"}
    assert post(desk, agent, "contact", late).status_code == 403
    assert post(desk, agent, "contact", late, role="manager").status_code == 200


def test_what_is_not_known_is_not_found(desk: Office) -> None:
    assert desk.get(f"/work/{UUID(int=77)}", role="agent", status=404)["rule"] == "no-such-work"
    assert desk.post(f"/work/{UUID(int=77)}/take", {}, role="agent").status_code == 404
    desk.get("/teams", role="agent", status=403)
    desk.get("/queue?of=nobody", role="agent", status=422)


def test_ended_work_keeps_its_owner_and_says_why(desk: Office) -> None:
    agent = taken(desk)
    hear(desk, ComplaintClosed(cycle=1, outcome=Outcome.WITHDRAWN), 5)
    shown = desk.get(WORK, role="agent")
    assert (shown["phase"], shown["end_reason"]) == ("ended", "closed")
    assert shown["owner_agent"] == agent


def test_schemathesis_finds_nothing(desk: Office) -> None:
    assert findings(desk.api, desk.bearer("agent", "manager"), examples_max=3) == []


def inbox(desk: Office, agent: str, informed: str = "owner", role: str = "agent") -> Any:
    headers = desk.headers(role, actor=f"agent:{agent}")
    answer = Client(desk.api).get(f"/inbox?informed={informed}", headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


def test_owner_and_home_province_find_every_step_until_they_have_seen_it(desk: Office) -> None:
    """DOMAIN rules 1 and 5, SCENARIOS S4's hall: Kashgar owns, Xinjiang handles, Guangdong is
    informed; each looks for itself, and what is heard late is as new as any other step."""
    away = profile(
        Category.MOBILE_NONCOVERAGE_DATA_SPEED,
        home="guangdong",
        visited="xinjiang",
        taken_by=StaffRef(team="hall-kashgar", agent="8201"),
    )
    hear(desk, told(away), sequence=2)
    [home] = inbox(desk, "8102", "home_province")
    assert (home["home_province"], home["province"], home["owner_team"]) == (
        "guangdong",
        "xinjiang",
        None,
    )
    assert post(desk, "5101", "accept", {}).status_code == 200
    [item] = inbox(desk, "8202")
    assert (item["owner_team"], item["owner_agent"]) == ("hall-kashgar", "8201")
    steps = [(one["source"], one["sequence"], one["type"]) for one in item["steps"]]
    assert sorted(steps) == [
        ("/bihuan/intake", 2, "complaint.verified.v1"),
        ("/bihuan/routing", 1, "work.routed.v1"),
        ("/bihuan/routing", 2, "work.assigned.v1"),
        ("/bihuan/routing", 3, "work.accepted.v1"),
    ]
    assert item["steps"][-1]["actor"] == "agent:5101"
    assert inbox(desk, "5101") == [], "who handles it does not own it"

    upto = [
        {"source": "/bihuan/intake", "sequence": 2},
        {"source": "/bihuan/routing", "sequence": 3},
    ]
    assert post(desk, "8202", "seen", {"upto": upto}).status_code == 200
    assert inbox(desk, "8201") == [], "a team is informed as one"
    assert len(inbox(desk, "8101", "home_province")) == 1, "the home province looks for itself"

    hear(desk, clocks())
    opinion = {"opinion": "基站数据板卡故障"}
    assert post(desk, "5101", "opinion", opinion).status_code == 200
    [item] = inbox(desk, "8201")
    assert {one["type"] for one in item["steps"]} == {"clocks.started.v1", "work.reported_back.v1"}

    seen = {"informed": "home_province", "upto": [{"source": "/bihuan/routing", "sequence": 99}]}
    assert post(desk, "8101", "seen", seen).json()["rule"] == "not-happened"
    assert post(desk, "8201", "seen", seen).json()["rule"] == "not-informed"
    no_province = Client(desk.api).get(
        "/inbox?informed=home_province", headers=desk.headers("agent", actor="agent:8003")
    )
    assert (no_province.status_code, no_province.json()["rule"]) == (422, "no-province")


def test_what_complains_of_staff_is_shown_at_home_to_managers_alone(desk: Office) -> None:
    """DOMAIN rule 6: "never to whom it concerns"."""
    about = profile(
        Category.SERVICE_QUALITY,
        home="guangdong",
        visited="xinjiang",
        about=StaffRef(team="guangdong-desk", agent="8101"),
    )
    hear(desk, told(about))
    assert inbox(desk, "8101", "home_province") == []
    assert len(inbox(desk, "8102", "home_province", role="manager")) == 1


def test_a_named_representative_is_asked_in_person_and_stays_one_when_the_team_changes(
    desk: Office,
) -> None:
    """DOMAIN rule 3: group customers go to "their named representative"; a team that would lose
    one is refused, and changing a team keeps who represents whom."""
    company = profile(customer_class=CustomerClass.ENTERPRISE, portfolio="group-gd-01")
    hear(desk, told(company))
    work = desk.get(WORK, role="agent")
    assert (work["team"], work["agent"], work["queue"]) == ("group-seats", "6101", "group")
    [item] = queue(desk, "6101")
    assert item["complaint"] == SUBJECT
    assert queue(desk, "6102") == []

    teams = desk.get("/teams", role="manager")["teams"]
    [team] = [one for one in teams if one["team"] == "group-seats"]
    body = {name: value for name, value in team.items() if name not in ("team", "names")}
    fewer = {**body, "seats": [one for one in team["seats"] if one["agent"] != "6101"]}

    def changed(to: dict[str, Any]) -> Any:
        headers = desk.headers("manager", actor="agent:7001")
        return Client(desk.api).request("PUT", "/teams/group-seats", headers=headers, json=to)

    refused = changed(fewer)
    assert (refused.status_code, refused.json()["rule"]) == (422, "team-unsound")
    assert "group-gd-01" in refused.json()["detail"]
    assert changed({**body, "calendar": "office"}).status_code == 200
    other = str(UUID(int=77))
    hear(desk, told(company), subject=other)
    assert desk.get(f"/work/{other}", role="agent")["agent"] == "6101"


def partner_clocks() -> ClocksStarted:
    """12 h for each of the two answers of the first forward, and 1 h for a first word."""

    def clock(code: str, purpose: ClockPurpose, due: str) -> Clock:
        return Clock(
            clock=code,
            instance="forward-1",
            started_in=1,
            purpose=purpose,
            clock_from=NOON,
            due=due,
            policy=PolicyRef(name="clocks", version="v1"),
        )

    return ClocksStarted(
        cycle=1,
        cause=StartCause.TRANSFERRED,
        clock_from=NOON,
        clocks=(
            clock("partner.preliminary", ClockPurpose.PARTNER_PRELIMINARY, "2025-10-09T05:00:00Z"),
            clock("partner.simple", ClockPurpose.PARTNER, "2025-10-09T16:00:00Z"),
            clock("partner.all", ClockPurpose.PARTNER, "2025-10-11T04:00:00Z"),
            clock("partner.customer.simple", ClockPurpose.PARTNER_CUSTOMER, "2025-10-09T16:00:00Z"),
        ),
    )


def test_a_partners_two_answers_are_tracked_over_http(desk: Office) -> None:
    """DOMAIN rule 7: the partner answers customer and 10010, and a cause not its own releases it
    from neither."""
    hear(desk, told(profile(Category.VALUE_ADDED_CANCEL_ONE)))
    assert post(desk, "5401", "accept", {}).status_code == 200
    passing = {
        "to": "sp-17",
        "kind": "partner",
        "reason": "partners_service",
        "complexity": "simple",
        "reached_at": "2025-10-09T12:00:00+08:00",
    }
    assert post(desk, "5401", "transfer", passing).status_code == 200

    def partner(what: str, body: dict[str, Any]) -> Any:
        return desk.post(f"{WORK}/{what}", body, role="partner", actor="agent:sp-17")

    def owes() -> list[list[str]]:
        duties = desk.get(WORK, role="agent")["partner_duties"]
        assert [one["partner"] for one in duties] == ["sp-17"]
        return [one["owes"] for one in duties]

    assert owes() == [["10010", "customer"]]
    not_ours = {"opinion": "网络原因", "cause": "network", "responsible": "network"}
    assert partner("report-back", not_ours).status_code == 200
    assert owes() == [["10010", "customer"]]
    hear(desk, partner_clocks())
    (listed,) = desk.get("/partners/owing?limit=1&partner=sp-17", role="auditor")["items"]
    assert (listed["owes"], listed["due"]) == (["10010", "customer"], "2025-10-09T16:00:00.000000Z")
    assert (listed["owner_agent"], listed["breached"]) == ("5401", 0)
    assert desk.get("/partners/owing?partner=sp-18", role="agent")["items"] == []
    desk.get("/partners/owing", role="partner", status=403)
    told_customer = {"channel": "email", "reached": True}
    assert partner("contact", told_customer).status_code == 200
    assert owes() == [["10010"]]
    stranger = desk.post(f"{WORK}/contact", told_customer, role="partner", actor="agent:sp-18")
    assert stranger.status_code == 422, "nothing was forwarded to them"
    assert partner("report-back", {"opinion": "已退订并退费"}).status_code == 200
    assert owes() == [[]]
    assert desk.get("/partners/owing", role="agent")["items"] == []
    never = ConfirmationRecorded(
        cycle=1, call=UUID(int=8), partner="sp-17", forward=1, answered=False, content=False
    )
    hear(desk, never)
    assert owes() == [["customer"]]
    (listed,) = desk.get("/partners/owing", role="agent")["items"]
    assert (listed["partner"], listed["owes"], listed["denied_at"] is None) == (
        "sp-17",
        ["customer"],
        False,
    )
