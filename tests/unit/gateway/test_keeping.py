"""The development gateway keeps each notice once, sealed as received (docs/outbound.md)."""

import asyncio
import sqlite3
import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from contracts.messages import MessageKind
from contracts.values import ChannelKind, DeliveryResult
from infra.gateway.gateway import GONE, delivery_report, render
from infra.gateway.keeping import KeptNotices
from libs.decider.story import SUBJECT
from tests.unit.feedback_survey.heard import TO, at, correspondent, event_id
from tests.unit.gateway.given import NOON, Opener, notices, record, wire


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[KeptNotices]:
    keeping = KeptNotices(tmp_path / "gateway")
    yield keeping
    keeping.close()


def test_a_notice_is_kept_as_it_came_byte_for_byte(kept: KeptNotices) -> None:
    receipt, answer = notices()
    assert kept.keep([record(wire(receipt, 1)), record(wire(answer, 2), 1)]) == 2
    assert [one.value for one in kept.notices()] == [wire(receipt, 1), wire(answer, 2)]
    known = kept.notice(answer.notice)
    assert known is not None
    assert known.message.data == answer
    assert kept.notice(event_id("never")) is None


def test_a_repeated_id_is_dropped_and_counted(kept: KeptNotices) -> None:
    value = wire(notices()[0])
    assert kept.keep([record(value), record(value, 1)]) == 1
    assert kept.keep([record(value, 2)]) == 0
    assert len(kept.notices()) == 1
    assert kept.repeated() == 2


def test_it_survives_a_restart(tmp_path: Path) -> None:
    value = wire(notices()[0])
    first = KeptNotices(tmp_path)
    first.keep([record(value)])
    first.close()
    again = KeptNotices(tmp_path)
    assert again.keep([record(value)]) == 0
    assert len(again.notices()) == 1
    again.close()


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (None, "the record is empty"),
        (b"\xff\xfe", "json_invalid"),
        (b'{"specversion": "1.0"}', "missing"),
        (b"[]", "model_type"),
    ],
)
def test_what_is_no_notice_is_set_aside_and_the_rest_goes_on(
    kept: KeptNotices, value: bytes | None, problem: str
) -> None:
    assert kept.keep([record(value, 7), record(wire(notices()[0]), 8)]) == 1
    (aside,) = kept.unreadable()
    assert (aside.topic, aside.partition, aside.offset) == ("complaints.outbound", 3, 7)
    assert problem in aside.problem


def test_a_set_aside_problem_never_quotes_the_content(kept: KeptNotices) -> None:
    marked = wire(notices()[0]).replace(b'"cycle":1', b'"cycle":"MARKER-13800138000"')
    kept.keep([record(marked)])
    assert "MARKER" not in kept.unreadable()[0].problem


def test_notices_are_found_by_complaint_and_by_when_they_may_leave(kept: KeptNotices) -> None:
    receipt, answer = notices(when=at("2025-10-18 22:00"))
    other = UUID(int=7)
    kept.keep([record(wire(receipt, 1)), record(wire(answer, 2), 1)])
    kept.keep([record(wire(notices()[0].model_copy(update={"notice": other}), 1, str(other)), 2)])
    assert [one.message.data.kind for one in kept.notices(UUID(SUBJECT))] == ["receipt", "answer"]
    night = kept.notices(UUID(SUBJECT), may_leave_by=at("2025-10-19 08:59:59"))
    assert [one.message.data.kind for one in night] == ["receipt"]
    morning = kept.notices(UUID(SUBJECT), may_leave_by=at("2025-10-19 09:00"))
    assert len(morning) == 2


def test_its_file_is_nobody_elses_and_holds_no_plaintext(tmp_path: Path) -> None:
    keeping = KeptNotices(tmp_path / "gateway")
    keeping.keep([record(wire(notices()[1]))])
    assert stat.S_IMODE((tmp_path / "gateway").stat().st_mode) == 0o700
    file = sqlite3.connect(tmp_path / "gateway" / "notices.sqlite")
    (value,) = file.execute("SELECT value FROM notice").fetchone()
    assert b"v1.sealed.explanation" in value
    file.close()
    keeping.close()


def test_words_are_opened_on_demand_with_the_purpose_deliver(kept: KeptNotices) -> None:
    answer = notices()[1]
    kept.keep([record(wire(answer))])
    opener = Opener()
    known = kept.notice(answer.notice)
    assert known is not None
    text = asyncio.run(render(known, opener))
    assert text == "您好,受理编号TS-7781-4答复如下:<v1.sealed.explanation>\n处理结论:投诉成立。"
    assert opener.asked == [(("v1.sealed.explanation",), "deliver", UUID(SUBJECT))]


def test_a_receipt_without_sealed_words_opens_nothing(kept: KeptNotices) -> None:
    kept.keep([record(wire(notices()[0]))])
    opener = Opener()
    assert "TS-7781-4" in asyncio.run(render(kept.notices()[0], opener))
    assert opener.asked == []


def test_words_of_an_erased_person_are_shown_as_gone(kept: KeptNotices) -> None:
    kept.keep([record(wire(notices()[1]))])
    opener = Opener(gone=frozenset({"v1.sealed.explanation"}))
    assert GONE in asyncio.run(render(kept.notices()[0], opener))


def test_a_delivery_report_told_twice_is_one_message(kept: KeptNotices) -> None:
    kept.keep([record(wire(notices()[1]))])
    known = kept.notices()[0]
    report = delivery_report(known, DeliveryResult.FAILED, NOON, reason="unreachable")
    assert report == delivery_report(known, DeliveryResult.FAILED, NOON, reason="unreachable")
    later = delivery_report(known, DeliveryResult.FAILED, NOON + timedelta(seconds=1))
    assert later.id != report.id
    assert (report.data.kind, report.data.channel) == (
        MessageKind.DELIVERY_REPORT,
        ChannelKind.WECHAT,
    )
    assert report.data.receipt == TO.receipt
    assert report.data.delivery is not None
    assert report.data.delivery.notice == known.message.data.notice


def test_what_was_handed_over_on_the_spot_is_reported_by_a_desk(kept: KeptNotices) -> None:
    kept.keep([record(wire(notices(correspondent(address=False))[0]))])
    report = delivery_report(kept.notices()[0], DeliveryResult.DELIVERED, NOON)
    assert report.data.channel is ChannelKind.DESK
