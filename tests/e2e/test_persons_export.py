"""What a person gets who asks for their data: all of it, each word in its place, nobody else's.

A scene that shares the world of all scenes. That a month in a file is in it, too, is shown in
`test_persons.py`, whose clock goes far enough.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.e2e.commands import bihuan
from tests.e2e.scenes import Stage, scene
from tests.e2e.test_partners import CARE, PARTNER
from tests.e2e.test_persons import tokens_in
from tests.e2e.test_persons_later import BILL, SIGNAL, person_of, words_of
from tests.e2e.world import read_log

NUMBER, NAME, WORDS, OPINION = (
    "18600007401",
    "导出请求人",
    "我的话-MARKEXPORT",
    "处理意见-MARKEXPORT",
)
SURVEYED, PHOTO = "问卷里的话-MARKSURVEY", "photo-7401-MARKPAPER"
PARTNERS, CALLED = "合作方的话-MARKPARTNER", "回访里的话-MARKCALL"
MERGED, OTHER_WORDS = "并入他人投诉的话-MARKMERGED", "在他人投诉上说的话-MARKGUEST"
REFUSED = "refused-7401"
ANOTHERS_NUMBER = "18600007402"
ANOTHERS, ANOTHERS_MERGED = "他人自己的话-MARKOTHER", "他人并入我投诉的话-MARKTHEIRS"


async def belongs_to(stage: Stage, person: str, complaints: set[str], guest: str) -> set[str]:
    """By the log itself: the ids of all events that are about a person."""
    found = set()
    for value in await read_log(stage.system):
        event = json.loads(value)
        of_a_complaint = event["subject"] in complaints
        guest_words = event["subject"] == guest and tokens_in(event, person)
        refused = event["type"] == "message.refused.v1" and event["data"]["person"] == person
        if of_a_complaint or guest_words or event["subject"] == person or refused:
            found.add(event["id"])
    return found


async def told_and_surveyed(stage: Stage) -> str:
    """Words, a name, a photo by reference; an opinion of staff; words in the survey's answer."""
    photo = {"kind": "photo", "ref": PHOTO, "sha256": "ab" * 32}
    said = {**BILL, "text": WORDS, "sender_name": NAME, "subscriber": NUMBER}
    complaint = await stage.say(**said, evidence=[photo])
    who = await stage.accepts(complaint)
    await stage.player.do("routing", f"/work/{complaint}/opinion", {"opinion": OPINION}, **who)
    await stage.answers(complaint, who)
    receipt = (await stage.receipt(complaint)).replace("-", "")
    reply = {"channel": "sms", "receipt": receipt, "survey": {"score": 9, "resolved": True}}
    await stage.say("sms", kind="survey_reply", text=SURVEYED, subscriber=NUMBER, **reply)
    return complaint


async def passed_to_a_partner(stage: Stage) -> str:
    """The partner says what it did; the customer, called back, says something to that."""
    complaint = await stage.say(
        text="退订后仍扣费", subscriber=NUMBER, category="value_added.cancel_one"
    )
    await stage.accepts(complaint, CARE)
    now = stage.clock.now().isoformat()
    passing = {"to": "sp-music", "kind": "partner", "complexity": "simple", "reached_at": now}
    contact = {"channel": "email", "reached": True}
    for step, body, who in (
        ("transfer", {**passing, "reason": "partners_service"}, CARE),
        ("contact", contact, PARTNER),
        ("report-back", {"opinion": PARTNERS}, PARTNER),
    ):
        await stage.player.do("routing", f"/work/{complaint}/{step}", body, **who)
        await stage.settle()
    page = await stage.player.get("feedback_survey", "/calls", reason="confirm", role="agent")
    (call,) = [one["call"] for one in page["items"] if one["complaint"] == complaint]
    said = {"reached": True, "answered": True, "content": True, "words": CALLED}
    await stage.player.do("feedback_survey", f"/calls/{call}/attempts", said, **CARE)
    await stage.settle()
    return complaint


async def merged(stage: Stage, one: str, into: str) -> None:
    """Of two customers, as somebody made sure that they are one."""
    body = {"into": into, "reason": "same_matter", "same_customer": True}
    await stage.player.do("intake", f"/complaints/{one}/merge", body, role="manager")
    await stage.settle()


def places(document: Mapping[str, Any], planted: str) -> set[str]:
    """In which parts of an export a text stands."""
    parts = {
        f"{section} {one['complaint']}": one
        for section in ("complaints", "others")
        for one in document[section]
    }
    parts |= {name: document[name] for name in ("refused", "person_records", "erasure")}
    return {name for name, one in parts.items() if planted in json.dumps(one, ensure_ascii=False)}


@scene
async def test_an_export_holds_everything_that_the_log_has_of_a_person(stage: Stage) -> None:
    """Values are planted wherever something can be said; compared with the log, read by itself."""
    data = stage.system.places.data
    folder = data / "exports-7401"
    folder.mkdir()
    await stage.at("2025-10-21 09:47:00")
    guest = await stage.say(**{**BILL, "text": ANOTHERS, "subscriber": ANOTHERS_NUMBER})
    first = await told_and_surveyed(stage)
    second = await stage.say(**{**SIGNAL, "subscriber": NUMBER})
    third = await passed_to_a_partner(stage)
    mine = await stage.say(text=MERGED, category="product", subscriber=NUMBER)
    await merged(stage, mine, guest)
    theirs = {"text": ANOTHERS_MERGED, "category": "product", "subscriber": ANOTHERS_NUMBER}
    await merged(stage, await stage.say(**theirs), second)
    receipt = (await stage.receipt(guest)).replace("-", "")
    await stage.say(kind="urge", text=OTHER_WORDS, receipt=receipt, subscriber=NUMBER)
    pigeon = {"kind": "words", "channel": "pigeon", "text": WORDS, "subscriber": NUMBER}
    bad = {"id": REFUSED, "source": "sms", "specversion": "1.0", "data": pigeon}
    await stage.player.publish(json.dumps(bad).encode(), REFUSED)
    await stage.settle()
    person = await person_of(stage, NUMBER)
    assert (await words_of(stage, first)) == WORDS  # an access, with a purpose
    await stage.settle()

    document, page = await exported(data, folder, person)
    ids = {one["id"] for one in document["person_records"]} | {
        record["id"]
        for one in (*document["complaints"], *document["others"])
        for record in one["records"]
    }
    await stage.settle()
    of_the_log = await belongs_to(stage, person, {first, second, third, mine}, guest)
    refused = {json.loads(one)["id"] for one in await read_log(stage.system) if REFUSED in str(one)}
    assert refused <= of_the_log
    assert ids == of_the_log - refused
    assert [one["id"] for one in document["refused"]] == [REFUSED]

    own = {f"complaints {one}" for one in (first, second, third, mine)}
    here, there = f"complaints {first}", f"others {guest}"
    planted = {
        NUMBER: {*own, there},
        NAME: {here},
        WORDS: {here},
        OPINION: {here},
        SURVEYED: {here},
        PHOTO: {here},
        PARTNERS: {f"complaints {third}"},
        CALLED: {f"complaints {third}"},
        MERGED: {f"complaints {mine}", there},
        OTHER_WORDS: {there},
        REFUSED: {"refused"},
        ANOTHERS_NUMBER: set[str](),
        ANOTHERS: set[str](),
        ANOTHERS_MERGED: set[str](),
    }
    assert {one: places(document, one) for one in planted} == planted
    for text, wanted in planted.items():
        assert (text in page) == bool(wanted), text
    assert "bs1." not in page + json.dumps(document)
    readers = {
        (str(one["data"].get("by")), one["data"].get("purpose"))
        for one in document["person_records"]
        if one["type"] == "person.accessed.v1"
    }
    assert ("service:test", "check") in readers
    assert ("privacy:local", "data_subject_export") in readers


async def exported(data: Path, folder: Path, person: str) -> tuple[dict[str, Any], str]:
    """The document and the page, which only their owner can read."""
    file, page = folder / "all.json", folder / "all.html"
    written = ("--out", str(file), "--page", str(page))
    code, _, err = await bihuan(data, "person", "export", person, *written)
    assert code == 0, err
    assert page.stat().st_mode & 0o777 == file.stat().st_mode & 0o777 == 0o600
    return json.loads(file.read_text("utf-8")), page.read_text("utf-8")
