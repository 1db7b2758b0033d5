"""One complaint's story from all services, in order, with its causes, over HTTP."""

import asyncio
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

from libs.eventlog.envelope import Origin, event_id
from tests.integration.audit.tellers import complaint, event, playing, tell_stories
from tests.stack import Room, room
from tests.unit.web.conformance import findings_at

INTAKE, ROUTING = "/bihuan/intake", "/bihuan/routing"
STORY = complaint(1)
RECEIPT = "8KQ4-71TN-5"
SEALED = "v1."


def test_a_timeline_tells_who_when_why_and_in_both_languages(tmp_path: Path) -> None:
    async def play(where: Room) -> None:
        async with playing(where, tmp_path) as play:
            await tell_stories(play, 3)
            answer = await play.get(f"/complaints/{STORY}/timeline")
            assert answer.status_code == 200, answer.text
            told = answer.json()
            steps = told["items"]
            assert [(step["source"], step["sequence"], step["type"]) for step in steps] == [
                (INTAKE, 1, "complaint.registered.v1"),
                (INTAKE, 2, "complaint.verified.v1"),
                (ROUTING, 1, "work.routed.v1"),
                (INTAKE, 3, "complaint.contact_linked.v1"),
                (INTAKE, 4, "complaint.answered.v1"),
                (INTAKE, 5, "complaint.closed.v1"),
            ]
            assert steps[0]["time"] == "2025-09-30T15:00:02.000000Z"
            assert steps[0]["actor"] == "channel:sms"
            assert steps[0]["cause"] == {
                "kind": "message",
                "ref": "sms sms-1",
                "event": None,
                "missing": False,
            }
            assert steps[0]["channel"] == "hotline_10010"
            assert steps[2]["cause"] == {
                "kind": "event",
                "ref": str(event_id(INTAKE, STORY, 2)),
                "event": {
                    "source": INTAKE,
                    "subject": STORY,
                    "sequence": 2,
                    "type": "complaint.verified.v1",
                    "time": "2025-09-30T15:00:05.000000Z",
                },
                "missing": False,
            }
            assert steps[2]["policies"] == [{"name": "routing", "version": "2025.1"}]
            assert steps[5]["en"] == "Closed: satisfied."
            assert steps[5]["zh"] == "闭环归档:满意。"
            assert steps[0]["data"]["registration"]["summary"] == "🔒"
            assert SEALED not in answer.text
            assert told["receipt"] == RECEIPT
            assert told["registered_at"] == "2025-09-30T15:00:02.000000Z"
            assert told["closed_at"] == "2025-09-30T15:00:14.000000Z"
            assert told["next"] is None

    with room(("intake", "routing", "audit")) as where:
        asyncio.run(play(where))


def test_a_timeline_comes_in_pages_and_by_receipt_and_only_to_whom_it_may(tmp_path: Path) -> None:
    async def play(where: Room) -> None:
        async with playing(where, tmp_path) as play:
            await tell_stories(play, 1)
            whole = (await play.get(f"/complaints/{complaint(0)}/timeline")).json()["items"]
            pages: list[Any] = []
            url: str | None = f"/timeline/by-receipt/{RECEIPT}?limit=2"
            while url is not None:
                page = (await play.get(url)).json()
                assert page["complaint"] == complaint(0)
                pages += page["items"]
                url = page["next"]
            assert pages == whole
            assert len(whole) == 6

            assert (await play.get(f"/complaints/{complaint(9)}/timeline")).status_code == 404
            assert (await play.get("/timeline/by-receipt/NONE-0000")).status_code == 404
            assert (await play.get("/complaints/x/timeline")).status_code == 422
            for role, status in (("manager", 200), ("agent", 403), ("partner", 403)):
                answer = await play.get(f"/complaints/{complaint(0)}/timeline", role)
                assert answer.status_code == status
            for url in ("/verify", "/faults", f"/streams/intake/{complaint(0)}"):
                assert (await play.get(url)).status_code == 200
                assert (await play.get(url, "manager")).status_code == 403

    with room(("intake", "routing", "audit")) as where:
        asyncio.run(play(where))


def test_a_cause_in_another_complaint_is_found_where_the_body_names_that_complaint(
    tmp_path: Path,
) -> None:
    """An unlinked contact becomes a complaint of its own: a second hop (EVENTS, race 17)."""

    async def play(where: Room) -> None:
        async with playing(where, tmp_path) as play:
            was = complaint(4)
            await play.tell(was, "complaint.registered.v1")
            await play.tell(was, "complaint.contact_unlinked.v1")
            body: Any = event("complaint.registered.v1")
            registration = body.registration.model_copy(update={"unlinked_from": UUID(was)})
            becomes = body.model_copy(update={"registration": registration})
            origin = Origin(str(event_id(INTAKE, was, 2)), "system:intake")
            await play.tell(complaint(5), becomes, origin=origin)
            await play.tell(complaint(6), "complaint.registered.v1", origin=origin)
            await play.stepper.settle()
            [step] = (await play.get(f"/complaints/{complaint(5)}/timeline")).json()["items"]
            found = step["cause"]["event"]
            assert (found["subject"], found["sequence"]) == (was, 2)
            assert found["type"] == "complaint.contact_unlinked.v1"
            [step] = (await play.get(f"/complaints/{complaint(6)}/timeline")).json()["items"]
            assert step["cause"]["ref"] == origin.causation
            assert step["cause"]["event"] is None  # nothing names the other complaint
            assert step["cause"]["missing"] is True
            page = await play.get(f"/complaints/{complaint(6)}/timeline.html")
            assert page.headers["content-type"] == "text/html; charset=utf-8"
            assert "起因不在档案中 cause not in this archive" in page.text
            assert 'stroke-dasharray="2 2"' in page.text  # and dashed in the graph

    with room(("intake", "routing", "audit")) as where:
        asyncio.run(play(where))


def test_a_reopened_complaint_is_open_again(tmp_path: Path) -> None:
    async def play(where: Room) -> None:
        async with playing(where, tmp_path) as play:
            await tell_stories(play, 1)
            await play.tell(complaint(0), "complaint.reopened.v1")
            await play.stepper.settle()
            told = (await play.get(f"/complaints/{complaint(0)}/timeline")).json()
            assert told["closed_at"] is None
            assert told["items"][-1]["cause"]["kind"] == "message"

    with room(("intake", "routing", "audit")) as where:
        asyncio.run(play(where))


def test_a_stream_shows_its_chain(tmp_path: Path) -> None:
    async def play(where: Room) -> None:
        async with playing(where, tmp_path) as play:
            await tell_stories(play, 1)
            stream = (await play.get(f"/streams/intake/{complaint(0)}")).json()
            links = stream["items"]
            assert [link["sequence"] for link in links] == [1, 2, 3, 4, 5]
            assert links[0]["previous"] == "0" * 64
            for before, link in pairwise(links):
                assert link["previous"] == before["digest"]
            assert (stream["sequence"], stream["digest"]) == (5, links[-1]["digest"])
            assert links[2]["id"] == str(event_id(INTAKE, complaint(0), 3))
            assert (await play.get(f"/streams/intake/{complaint(7)}")).status_code == 404
            # subjects that are no complaint's have streams too, slashes or not
            words = (await play.get("/streams/audit/words")).json()
            assert [link["type"] for link in words["items"]] == ["policy.activated.v1"]
            unknown = await play.get("/streams/audit/%2Fbihuan%2Fintake%233")
            assert unknown.json()["rule"] == "no-such-stream"
            assert (await play.get(f"/streams/nobody/{complaint(0)}")).status_code == 422

    with room(("intake", "routing", "audit")) as where:
        asyncio.run(play(where))


def test_schemathesis_finds_nothing(tmp_path: Path) -> None:
    async def play(where: Room) -> None:
        async with playing(where, tmp_path) as play:
            await tell_stories(play, 1)
            headers = {"Authorization": f"Bearer {play.token('auditor')}"}
            url = play.audit.api_url
            found = await asyncio.to_thread(findings_at, url, headers, examples_max=3)
            assert found == []

    with room(("intake", "routing", "audit")) as where:
        asyncio.run(play(where))
