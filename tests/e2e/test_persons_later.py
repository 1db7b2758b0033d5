"""What comes later about a person: held, locked, surveyed and told of as DOMAIN has it.

Scenes that share the world of all scenes; `test_persons.py` plays one person's whole erasure.
"""

import json
from typing import Any

import pytest

from libs.decider import To
from libs.eventlog.envelope import Origin
from libs.eventlog.work import Work
from services.audit import legal_holds
from services.intake.domain.person import Erase
from tests.e2e.commands import bihuan, told
from tests.e2e.scenes import Stage, scene
from tests.e2e.test_persons import opened

BILL: dict[str, Any] = {"text": "多扣了话费", "category": "billing.overcharge"}
SIGNAL: dict[str, Any] = {"text": "没有信号", "category": "mobile.coverage"}


async def person_of(stage: Stage, number: str) -> str:
    code, out, err = await bihuan(stage.system.places.data, "person", "find", "--json", said=number)
    assert code == 0, err
    return str(json.loads(out)["person"])


async def held_by(stage: Stage, hold: str) -> set[str]:
    await stage.settle()
    code, on = await told(stage.system.places.data, "hold", "list")
    assert code == 0
    return {one["complaint"] for one in on["holds"] if one["hold"] == hold}


@scene
async def test_a_hold_by_person_or_query_holds_what_comes_while_it_is_on(stage: Stage) -> None:
    data = stage.system.places.data
    mine, theirs = "18600007101", "18600007102"
    await stage.at("2025-10-21 09:07:00")
    first = await stage.say(**BILL, subscriber=mine)
    other = await stage.say(**BILL, subscriber=theirs)
    person = await person_of(stage, mine)
    by_person = ("hold", "place", "court-71", "--ground", "lawsuit", "--person", person)
    assert (await bihuan(data, *by_person))[0] == 0
    assert (await bihuan(data, *by_person))[0] == 0
    span = ("--told-from", "2025-10-21T09:07:30+0800", "--told-to", "2025-10-21T09:08:00+0800")
    by_time = ("hold", "place", "inquiry-71", "--ground", "inquiry", *span)
    assert (await bihuan(data, *by_time))[0] == 0
    alike = ("--category", "mobile", "--province", "guangdong")
    assert (await bihuan(data, "hold", "place", "fcc-71", "--ground", "inquiry", *alike))[0] == 0
    assert await held_by(stage, "court-71") == {first}
    assert await held_by(stage, "inquiry-71") == set()

    await stage.at("2025-10-21 09:07:40")
    second = await stage.say(**SIGNAL, subscriber=mine, home_province="guangdong")
    receipt = (await stage.receipt(other)).replace("-", "")
    await stage.say(**BILL, kind="urge", receipt=receipt, subscriber=mine)
    assert await held_by(stage, "court-71") == {first, second, other}
    assert await held_by(stage, "inquiry-71") == {second}
    assert second in await held_by(stage, "fcc-71")
    assert not {first, other} & await held_by(stage, "fcc-71"), "of billing"
    noted = await stage.events(second, "complaint.hold_noted")
    assert {one.data.hold for one in noted} == {"court-71", "inquiry-71", "fcc-71"}

    lift = ("hold", "lift", "court-71", "--ground", "settled")
    assert (await bihuan(data, *lift))[0] == 0
    code, again = await told(data, *lift)
    assert (code, again["events"]) == (0, [])
    assert (await bihuan(data, "hold", "lift", "never-71", "--ground", "settled"))[0] == 1
    await stage.at("2025-10-21 09:09:00")
    await stage.say(text="语音不清", category="mobile.noncoverage", subscriber=mine)
    assert await held_by(stage, "court-71") == set()
    for name in ("inquiry-71", "fcc-71"):
        assert (await bihuan(data, "hold", "lift", name, "--ground", "settled"))[0] == 0


@scene
async def test_a_hold_whose_second_look_was_lost_is_finished_by_the_same_request(
    stage: Stage,
) -> None:
    """What comes between the look and the commit is looked for once more; that look died here."""
    await stage.at("2025-10-21 09:07:45")
    complaint = await stage.say(**BILL, subscriber="18600007103")
    await stage.settle()
    span = {"told_from": "2025-10-21T01:07:45Z", "told_to": "2025-10-21T01:07:50Z"}
    body = {"hold": "inquiry-72", "ground": "inquiry", "asked": span}

    async def place() -> None:
        await stage.player.do("audit", "/holds", body, role="auditor", key="hold-72")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(legal_holds, "asked_for", lambda *_: [])
        await place()
    assert await held_by(stage, "inquiry-72") == set()
    await place()
    assert await held_by(stage, "inquiry-72") == {complaint}
    lift = {"ground": "settled"}
    await stage.player.do("audit", "/holds/inquiry-72/lift", lift, role="auditor")
    await place()  # an old request told again puts nothing back
    assert await held_by(stage, "inquiry-72") == set()


async def words_of(stage: Stage, complaint: str, role: str = "service") -> str:
    """What a complaint's first words say, or why they stay closed."""
    (registered,) = await stage.events(complaint, "complaint.registered")
    answer = await opened(stage, role, [registered.data.registration.summary])
    told = answer.json()
    return str(told["rule"] if answer.is_error else told["items"][0]["text"])


@scene
async def test_a_message_sealed_at_the_instant_of_destroying_can_be_read(stage: Stage) -> None:
    """The erasure is decided after the words were sealed and before they are on record."""
    await stage.at("2025-10-21 09:17:00")
    number, intake = "18600007201", stage.app("intake")
    assert intake.channel is not None
    door, vault = intake.channel.door, intake.channel.door._vault  # type: ignore[attr-defined]  # the instant between the two is nowhere else
    (gone,) = vault.find_or_make_persons([number])
    prepare = door.prepare

    def erased(work: Work) -> None:
        command = Erase(at=work.now, basis="asked_by_the_person", afresh=True)
        work.apply(To(str(gone), command), Origin(causation="request", actor="privacy:test"))

    def meanwhile(raw: Any) -> Any:
        prepared = prepare(raw)
        if any(number in (one.value or b"").decode() for one in raw):
            door.prepare = prepare
            intake.writer.transact(erased)
        return prepared

    door.prepare = meanwhile  # type: ignore[method-assign]
    complaint = await stage.say(**SIGNAL, subscriber=number)
    assert door.prepare == prepare, "the erasure came in between"
    destroyed = [one for one in await stage.log() if one.subject == str(gone)]
    assert [one.data.mode for one in destroyed] == ["destroyed"]
    assert await words_of(stage, complaint) == SIGNAL["text"]
    assert await person_of(stage, number) != str(gone)


@scene
async def test_a_second_lock_reaches_what_was_said_since_the_first(stage: Stage) -> None:
    data, number = stage.system.places.data, "18600007202"
    await stage.at("2025-10-21 09:27:00")
    first = await stage.say(**SIGNAL, subscriber=number)
    person = await person_of(stage, number)
    lock = ("person", "lock", person, "--basis", "asked_by_the_person")
    code, stands = await told(data, *lock)
    assert (code, stands["erasure"]["mode"], len(stands["events"])) == (0, "locked", 1)
    code, again = await told(data, *lock)
    assert (code, again["events"]) == (0, [])
    await stage.at("2025-10-21 09:28:00")
    second = await stage.say(**BILL, subscriber=number)
    assert await words_of(stage, first) == "locked"
    assert await words_of(stage, second) == BILL["text"]
    code, again = await told(data, *lock)
    assert (code, len(again["events"])) == (0, 1)
    assert await words_of(stage, second) == "locked"
    assert await words_of(stage, second, "auditor") == BILL["text"]


@scene
async def test_who_was_locked_and_complains_again_is_surveyed_where_they_are_now(
    stage: Stage,
) -> None:
    data, number = stage.system.places.data, "18600007301"
    await stage.at("2025-10-21 09:37:00")
    complaint = await stage.say(**BILL, subscriber=number)
    receipt = await stage.receipt(complaint)
    await stage.answers(complaint, await stage.accepts(complaint))
    await stage.at("2025-10-21 09:38:00")
    person = await person_of(stage, number)
    basis = ("--basis", "asked_by_the_person")
    assert (await bihuan(data, "person", "lock", person, *basis))[0] == 0
    await stage.settle()
    (over,) = await stage.events(complaint, "survey.concluded")
    assert (over.data.outcome, over.data.reason) == ("unreachable", "erased")

    await stage.at("2025-10-21 09:39:00")
    quoted = receipt.replace("-", "")
    again = {"text": "还是不对", "channel": "sms", "receipt": quoted, "subscriber": number}
    assert await stage.say("sms", kind="urge", **again) == complaint
    (reopened,) = await stage.events(complaint, "complaint.reopened")
    await stage.answers(complaint, await stage.accepts(complaint))
    asked = await stage.events(complaint, "survey.asked")
    assert [one.data.cycle for one in asked] == [1, 2]
    notices = await stage.events(complaint, "notice.issued")
    to = notices[-1].data.correspondent.reply_to
    assert to == reopened.data.correspondent.reply_to
    answer = await opened(stage, "service", [to.address])
    assert [one["text"] for one in answer.json()["items"]] == [number]
