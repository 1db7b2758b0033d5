"""Intake over HTTP on a real PostgreSQL: told, asked about, set right, counted."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from libs.eventlog.envelope import Origin
from libs.eventlog.store import Store
from libs.eventlog.work import Work
from libs.eventlog.writer import Writer
from services.intake.domain.commands import Merge
from services.intake.domain.identity import message_key
from services.intake.domain.merging import SurvivorMergedAway, choose_merge
from services.intake.main import describe
from tests.integration.intake.desk import Desk, desk
from tests.unit.intake.world import at, message
from tests.unit.web.conformance import findings


@pytest.fixture
def intake(tmp_path: Path) -> Iterator[Desk]:
    with desk(tmp_path) as opened:
        yield opened


BILLING = message(subscriber="13900000001", category="billing", home_province="guangdong")
COMPLAINT = message_key("10010", "call-7781")


def test_told_by_http_201_then_200_with_the_same_receipt(intake: Desk) -> None:
    first, again = intake.tell(BILLING), intake.tell(BILLING)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert first.json()["outcome"] == "registered"
    assert intake.events() == ["complaint.registered.v1", "complaint.verified.v1"]


def test_a_second_contact_is_linked_and_what_became_of_it_can_be_asked(intake: Desk) -> None:
    receipt = intake.tell(BILLING).json()["receipt"]
    urge = message("wx-1", source="wechat", channel="wechat", subscriber="13900000001",
                   category="billing")  # fmt: skip
    told = intake.tell(urge)
    assert (told.status_code, told.json()["outcome"]) == (201, "linked")
    asked = intake.get("/messages?source=wechat&id=wx-1", "channel")
    assert asked.json() == told.json()
    assert asked.json()["receipt"] == receipt
    assert intake.get("/messages?source=wechat&id=wx-2", "channel").status_code == 404


def test_a_message_that_cannot_be_linked_is_a_problem_and_stays_on_record(intake: Desk) -> None:
    lonely = message("w-1", kind="withdrawal", subscriber="13900000009")
    for _ in range(2):
        told = intake.tell(lonely)
        assert (told.status_code, told.json()["rule"]) == (422, "nothing-to-link")
    assert intake.events() == ["message.refused.v1"]
    (refused,) = intake.get("/refused-messages", "admin").json()["items"]
    assert (refused["source"], refused["id"], refused["rule"]) == (
        "10010", "w-1", "nothing-to-link",
    )  # fmt: skip


def test_who_may_tell_may_not_take_over_history_without_the_right_to_import(
    intake: Desk,
) -> None:
    """History starts no work and no clock: who could call any words so would hide them."""
    closed = message(
        "h-1",
        kind="history",
        time="2018-04-23T09:00:00+08:00",
        history={"answered_at": "2018-04-24T09:00:00+08:00"},
    )
    refused = intake.tell(closed)
    assert (refused.status_code, refused.json()["rule"]) == (403, "not-allowed")
    assert "intake.import" in refused.json()["detail"]
    assert intake.events() == [], "nothing half done"
    assert intake.post("/messages", closed, "desk").json()["outcome"] == "imported"
    assert intake.tell(BILLING).status_code == 201, "plain words need no such right"


def test_what_came_with_the_words_is_shown_to_who_handles_it(intake: Desk) -> None:
    """DOMAIN, Audit: "Evidence that will vanish elsewhere ... is referenced or snapshot"."""
    bill = {"kind": "bill", "ref": "billing/2025-09/4711", "sha256": "ab" * 32}
    intake.tell({**BILLING, "data": {**BILLING["data"], "evidence": [bill]}})
    shown = intake.get(f"/complaints/{COMPLAINT}").json()
    assert [one["evidence"] for one in shown["contacts"]] == [[bill]]


def test_from_the_future_is_refused_by_rule(intake: Desk) -> None:
    told = intake.tell({**BILLING, "time": "2025-10-11T09:05:01+08:00"})
    assert (told.status_code, told.json()["rule"]) == (422, "from-the-future")


@pytest.mark.parametrize(
    "change", [{"data": {}}, {"specversion": "9"}, {"time": "soon"}, {"extra": 1}]
)
def test_what_has_not_the_documented_shape_never_reaches_the_door(
    intake: Desk, change: dict[str, Any]
) -> None:
    told = intake.tell({**BILLING, **change})
    assert (told.status_code, told.json()["rule"]) == (422, "invalid-request")
    assert intake.events() == []


# --- the customer's status query ------------------------------------------------------------------


def test_the_customer_asks_by_receipt_however_it_is_written(intake: Desk) -> None:
    receipt = intake.tell(BILLING).json()["receipt"]
    for written in (receipt, receipt.replace("-", ""), receipt.replace("-", "%20")):
        told = intake.get(f"/status/{written}", "channel")
        assert told.status_code == 200, told.text
    body = told.json()
    assert body["state"] == "in_handling"
    assert body["state_name"] == {"zh": "处理中", "en": "in handling"}
    assert body["category_name"]["zh"] == "费用争议"
    assert body["told_at"] == "2025-10-11T01:00:00.000000Z"


def test_a_mistyped_receipt_is_told_from_an_unknown_one(intake: Desk) -> None:
    receipt = intake.tell(BILLING).json()["receipt"]
    wrong = receipt[:-1] + str((int(receipt[-1]) + 1) % 10)
    assert intake.get(f"/status/{wrong}", "channel").json()["rule"] == "receipt-mistyped"
    assert intake.get("/status/12", "channel").json()["rule"] == "receipt-unreadable"
    answers = [intake.get(f"/status/1000-0000-000{digit}", "channel") for digit in range(10)]
    # of ten numbers that differ in the last digit only, one can be right, and nobody has it
    assert sorted(one.status_code for one in answers) == [404, *[422] * 9]


# --- staff ----------------------------------------------------------------------------------------


def test_a_desk_classifies_what_no_rule_could_place(intake: Desk) -> None:
    li = "13900000001"
    before = {"subscriber": li, "category": "product", "time": "2025-09-20T09:00:00+08:00"}
    intake.tell(message("before", **before))
    intake.tell(message(text="你们看着办", subscriber=li))
    (task,) = intake.get("/desk/unclassified").json()["items"]
    assert task["complaint"] == str(COMPLAINT)
    body = {"category": "product", "reason": "read_it"}
    done = intake.post(f"/complaints/{COMPLAINT}/reclassify", body)
    assert [one["type"] for one in done.json()["events"]] == [
        "complaint.reclassified.v1",
        "complaint.repeats_counted.v1",
    ]
    assert intake.get("/desk/unclassified").json()["items"] == []
    assert intake.get(f"/complaints/{COMPLAINT}").json()["category"] == "product"
    assert intake.post(f"/complaints/{COMPLAINT}/reclassify", {"reason": "x"}).status_code == 422


def test_a_desk_verifies_what_the_policy_leaves_to_it(intake: Desk) -> None:
    intake.tell({**BILLING, "data": {**BILLING["data"], "representative": True}})
    (task,) = intake.get("/desk/unverified").json()["items"]
    assert task["complaint"] == str(COMPLAINT)
    body = {"valid": False, "checked": ["identity"]}
    refused = intake.post(f"/complaints/{COMPLAINT}/verify", body)
    assert (refused.status_code, refused.json()["rule"]) == (422, "rejection-needs-reason")
    body["reason"] = "no_papers"
    assert intake.post(f"/complaints/{COMPLAINT}/verify", body).status_code == 200
    assert intake.get("/desk/unverified").json()["items"] == []
    assert intake.get(f"/complaints/{COMPLAINT}").json()["state"] == "rejected"


def test_a_contact_is_unlinked_and_its_new_number_is_known_before_it_is_registered(
    intake: Desk,
) -> None:
    intake.tell(BILLING)
    intake.clock.jump(at("2025-10-12 20:15:00"))
    urge = message("wx-1", source="wechat", channel="wechat", subscriber="13900000001",
                   category="billing", time="2025-10-12T20:15:00+08:00")  # fmt: skip
    intake.tell(urge)
    contact = message_key("wechat", "wx-1")
    path = f"/complaints/{COMPLAINT}/contacts/{contact}/unlink"
    committed: list[Any] = []
    intake.writer.on_commit.append(lambda recorded, _started: committed.extend(recorded))
    assert intake.post(path, {"reason": "another_line"}, key="once").status_code == 200
    assert intake.post(path, {"reason": "another_line"}, key="once").status_code == 200
    assert intake.post(path, {"reason": "another_line"}).json()["events"] == []

    told = intake.tell(urge).json()
    assert told["complaint"] == str(contact)
    status = intake.get(f"/status/{told['receipt']}", "channel").json()
    assert status["state"] == "being_registered"

    intake.react(committed)
    status = intake.get(f"/status/{told['receipt']}", "channel").json()
    assert (status["state"], status["told_at"]) == ("in_handling", "2025-10-12T12:15:00.000000Z")
    contacts = intake.get(f"/complaints/{COMPLAINT}").json()["contacts"]
    assert [one["held_by"] for one in contacts] == [str(COMPLAINT), str(contact)]
    assert contacts[0]["words"].startswith("token-")


def test_merged_and_unmerged_and_what_the_customer_hears_of_it(intake: Desk) -> None:
    later = message("m-2", subscriber="13900000001", category="product",
                    time="2025-10-11T09:00:01+08:00")  # fmt: skip
    first, second = intake.tell(BILLING).json(), intake.tell(later).json()
    path, survivor = f"/complaints/{second['complaint']}", first["complaint"]
    committed: list[Any] = []
    intake.writer.on_commit.append(lambda recorded, _started: committed.extend(recorded))
    body = {"into": survivor, "reason": "same_matter"}
    assert intake.post(f"{path}/merge", body, "agent").status_code == 403
    for key in ("once", "once", "again"):
        assert intake.post(f"{path}/merge", body, key=key).status_code == 200
    into_itself = intake.post(f"{path}/merge", {**body, "into": second["complaint"]})
    assert (into_itself.status_code, into_itself.json()["rule"]) == (422, "merge-into-itself")
    elsewhere = intake.post(f"/complaints/{survivor}/merge", {**body, "into": second["complaint"]})
    assert (elsewhere.status_code, elsewhere.json()["rule"]) == (409, "survivor-merged")
    assert elsewhere.json()["zh"] == "要并入的投诉自身已并入另一投诉"
    intake.react(committed)

    status = intake.get(f"/status/{second['receipt']}", "channel").json()
    assert (status["state"], status["state_name"]["zh"]) == ("merged", "已并入另一投诉")
    assert status["goes_on_as"]["receipt"] == first["receipt"]
    assert status["goes_on_as"]["state"] == "in_handling"
    shown = intake.get(f"/complaints/{survivor}").json()
    assert (shown["merged"], shown["urges"]) == ([second["complaint"]], 1)
    assert shown["contacts"][1]["merged_from"] == second["complaint"]
    assert intake.get(path).json()["merged_into"] == survivor
    assert intake.tell(later).json() == second, "told again, the same outcome"

    committed.clear()
    for key in ("back", "back", "back-again"):
        done = intake.post(f"{path}/unmerge", {"reason": "another_matter"}, key=key)
        assert done.status_code == 200
    intake.react(committed)
    assert intake.get(f"/complaints/{survivor}").json()["urges"] == 0
    assert intake.get(f"/status/{second['receipt']}", "channel").json()["goes_on_as"] is None
    not_merged = intake.post(f"/complaints/{survivor}/unmerge", {"reason": "x"})
    assert (not_merged.status_code, not_merged.json()["rule"]) == (409, "not-merged")


def test_merged_into_each_other_at_once_on_two_instances_one_is_refused(intake: Desk) -> None:
    """The other complaint's stream is read again under the lock: the second decision sees it."""
    now = intake.clock.now()
    pair = [
        UUID(intake.tell({**BILLING, "id": name, "data": {**BILLING["data"], "category": about}})
             .json()["complaint"])
        for name, about in (("m-1", "billing"), ("m-2", "product"))
    ]  # fmt: skip
    beside = Store(describe(), intake.dsn)
    other = Writer(describe(), beside, intake.clock, partitions=12)
    other.refresh()
    rounds: list[int] = []

    def merge(subject: UUID, into: UUID, work: Work) -> None:
        for to in choose_merge(subject, Merge(at=now, into=into, reason="same"), work):
            work.apply(to, Origin("test", "agent:a-1"))

    def between(work: Work) -> None:
        merge(pair[0], pair[1], work)
        if not rounds:  # decided, not committed: the other instance is quicker
            rounds.append(1)
            other.transact(lambda work: merge(pair[1], pair[0], work))

    try:
        with pytest.raises(SurvivorMergedAway):
            intake.writer.transact(between)
    finally:
        beside.close()
    assert intake.events().count("complaint.merged.v1") == 1


def test_withdrawn_by_staff_is_closed_and_stays_closed(intake: Desk) -> None:
    receipt = intake.tell(BILLING).json()["receipt"]
    body = {"reason": "customer_said"}
    done = intake.post(f"/complaints/{COMPLAINT}/withdraw", body)
    assert [one["type"] for one in done.json()["events"]] == [
        "complaint.withdrawn.v1", "complaint.closed.v1",
    ]  # fmt: skip
    status = intake.get(f"/status/{receipt}", "channel").json()
    assert (status["state"], status["outcome"]) == ("closed", "withdrawn")
    again = intake.post(f"/complaints/{COMPLAINT}/reclassify", {"urgency": "urgent", "reason": "r"})
    assert (again.status_code, again.json()["rule"]) == (409, "complaint-not-open")


def test_nothing_is_known_of_a_complaint_nobody_told(intake: Desk) -> None:
    assert intake.get(f"/complaints/{COMPLAINT}").status_code == 404
    gone = intake.post(f"/complaints/{COMPLAINT}/withdraw", {"reason": "r"})
    assert (gone.status_code, gone.json()["rule"]) == (404, "complaint-unknown")


def test_there_is_no_way_to_close_a_complaint_by_hand(intake: Desk) -> None:
    paths = intake.http.openapi()["paths"]
    assert paths
    assert not [path for path in paths if "close" in path]


# --- lists ----------------------------------------------------------------------------------------


def test_the_desks_list_comes_in_pages_longest_waiting_first(intake: Desk) -> None:
    for number in range(5):
        intake.tell(message(f"m-{number}", text="嗯", time=f"2025-10-11T08:0{number}:00+08:00"))
    seen: list[str] = []
    url: str | None = "/desk/unclassified?limit=2"
    while url:
        page = intake.get(url).json()
        seen += [one["since"] for one in page["items"]]
        url = page["next"]
    assert seen == [f"2025-10-11T00:0{number}:00.000000Z" for number in range(5)]


def test_only_those_who_may_see_or_do_it(intake: Desk) -> None:
    intake.tell(BILLING)
    assert intake.get(f"/complaints/{COMPLAINT}", "channel").status_code == 403
    assert intake.get("/desk/unclassified", "agent").status_code == 403
    assert intake.post("/messages", BILLING, "auditor").status_code == 403


def test_schemathesis_finds_nothing(intake: Desk) -> None:
    intake.tell(BILLING)
    bearer = intake.headers("channel", "desk", "manager")["Authorization"]
    assert findings(intake.http, {"Authorization": bearer}, examples_max=3) == []
