"""The door alone sees words in clear; everything behind it is sealed, placed and told once."""

from dataclasses import asdict
from typing import Any

import pytest

from contracts.housekeeping import MessageRefused
from contracts.intake import ComplaintContactLinked, ComplaintRegistered
from contracts.values import Category, ChannelKind, Urgency
from libs.decider import DomainError
from libs.decider.decider import wire_instant
from libs.messaging.channel import RawMessage, Sealed
from services.intake.domain.identity import message_key, stranger, subscriber_key, telephone_number
from services.intake.door import IntakeDoor, Message, Refusable
from tests.unit.intake.world import SEEDS, FakeVault, World, message, wire

MARKERS = ("13912345678", "张三丰", "我家在幸福路7号", "zhang@example.com")


def registered(world: World) -> Any:
    return world.happened(ComplaintRegistered)[-1].registration


# --- nothing in clear -----------------------------------------------------------------------------


def test_nothing_personal_gets_past_the_door() -> None:
    world = World()
    told: dict[str, Any] = {
        "subscriber": "13912345678",
        "sender_name": "张三丰",
        "text": "我家在幸福路7号，宽带断网了",
        "reply_to": {"kind": "email", "address": "zhang@example.com"},
    }
    world.tell(message("a", **told), message("b", source="wechat", **told))
    seen = [one.data.model_dump_json() for one in world.log]
    seen += [str(row) for row in world.shown.values()]
    seen += [str(asdict(state)) for state in world.states.values()]
    seen += [str(read) for read in world.reads]
    for marker in MARKERS:
        assert not [one for one in seen if marker in one]
    plaintexts = {text for _, _, text in world.vault.plaintexts.values()}
    assert plaintexts >= {"张三丰", "zhang@example.com", "我家在幸福路7号，宽带断网了"}


def test_every_plaintext_is_sealed_for_the_person_who_said_it() -> None:
    world = World()
    world.tell(message(subscriber="13912345678", sender_name="张三丰"))
    person = world.vault.persons["13912345678"]
    told = registered(world)
    assert told.correspondent.person == person
    assert world.vault.plaintexts[told.summary] == (person, "text", "我的话费账单不对")
    assert world.vault.plaintexts[told.sender_name] == (person, "name", "张三丰")
    address = told.correspondent.reply_to.address
    assert world.vault.plaintexts[address] == (person, "address", "13912345678")


def test_a_batch_asks_the_vault_twice_however_long_it_is() -> None:
    world = World()
    world.tell(*(message(f"m-{n}", subscriber=f"1390000{n:04d}") for n in range(50)))
    assert world.vault.rounds == ["persons", "seal"]


# --- persons --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "number", ["+8613900000001", "008613900000001", "8613900000001", "139-0000-0001"]
)
def test_one_number_is_one_person_however_it_is_written(number: str) -> None:
    assert subscriber_key(number) == subscriber_key("13900000001") == "13900000001"


def test_accounts_are_not_numbers() -> None:
    assert subscriber_key("Zhang.San@Corp") == "zhang.san@corp"
    assert telephone_number("Zhang.San@Corp") is None
    assert telephone_number("010-88886666") == "01088886666"
    assert telephone_number("8612345") == "8612345"  # a short number, not the country code


def test_an_anonymous_message_is_the_same_stranger_on_every_delivery() -> None:
    key = message_key("10010", "a")
    assert stranger(key) == stranger(key)
    assert stranger(key) != stranger(message_key("10010", "b"))
    world = World()
    world.tell(message("a"))
    assert registered(world).correspondent.person == stranger(key)
    assert registered(world).correspondent.anonymous
    assert not registered(world).correspondent.reachable


# --- where to answer ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("channel", "kind"),
    [
        ("hotline_10010", ChannelKind.HOTLINE_10010),
        ("wechat", ChannelKind.WECHAT),
        ("hall", ChannelKind.SMS),
        ("terminal", ChannelKind.SMS),
    ],
)
def test_a_known_number_is_answered_on_its_channel_or_by_sms(
    channel: str, kind: ChannelKind
) -> None:
    world = World()
    world.tell(message(channel=channel, subscriber="13900000001"))
    assert registered(world).correspondent.reply_to.kind is kind


def test_an_account_without_an_address_cannot_be_answered() -> None:
    world = World()
    world.tell(message(subscriber="zhang.san"))
    assert registered(world).correspondent.reply_to is None


def test_where_the_customer_wants_to_be_answered_counts_first() -> None:
    world = World()
    reply_to = {"kind": "email", "address": "a@b.cn", "voice_only": False}
    world.tell(message(subscriber="13900000001", reply_to=reply_to))
    assert registered(world).correspondent.reply_to.kind is ChannelKind.EMAIL


# --- category and urgency -------------------------------------------------------------------------


def test_what_the_channel_says_counts_first() -> None:
    world = World()
    world.tell(message(text="宽带断网", category="product", urgency="complex"))
    told = registered(world)
    assert (told.profile.category, told.profile.urgency) == (Category.PRODUCT, Urgency.COMPLEX)
    assert told.classified.by == "channel"
    assert told.classified.rule is None


def test_else_the_rule_that_matched_is_on_record_with_its_version() -> None:
    world = World()
    world.tell(message(text="紧急！家里宽带断网"))
    told = registered(world)
    assert told.profile.category is Category.BROADBAND_FAULT
    assert told.profile.urgency is Urgency.URGENT
    assert told.classified.by == "rule"
    assert told.classified.rule == "zh-broadband-fault+zh-urgent"
    assert told.classified.policy.version == "v1"


def test_what_no_rule_places_waits_at_the_desk() -> None:
    world = World()
    world.tell(message(text="你们太过分了"))
    assert registered(world).classified.by == "none"
    (task,) = world.rows("desk_tasks")
    assert task["task"] == "classify"
    assert task["words"] == registered(world).summary


def test_the_language_is_told_by_the_text_when_the_channel_does_not_say() -> None:
    world = World()
    world.tell(message("a", text="no internet since Monday"), message("b", text="宽带断网"))
    said = [one.registration.profile for one in world.happened(ComplaintRegistered)]
    assert [one.language.value for one in said] == ["en", "zh"]
    assert {one.category for one in said} == {Category.BROADBAND_FAULT}


def test_clocks_start_at_the_messages_own_time() -> None:
    world = World()
    world.tell(message(time="2025-10-09T23:59:50+08:00"))
    assert wire_instant(registered(world).clock_from) == "2025-10-09T15:59:50.000000Z"


# --- refusals -------------------------------------------------------------------------------------


def test_a_malformed_message_is_refused_once_and_stays_so() -> None:
    world = World()
    faulty = message(category="weather")
    (first,) = world.tell(faulty)
    assert (first["outcome"], first["rule"]) == ("refused", "malformed")
    (refused,) = world.happened(MessageRefused)
    assert (refused.source, refused.message) == ("10010", "call-7781")
    assert refused.channel is ChannelKind.HOTLINE_10010
    assert world.tell(faulty) == [first]
    assert world.tell(message()) == [first]  # the same id again is the same message
    assert len(world.log) == 1


def test_a_refusal_never_stands_on_a_complaints_stream() -> None:
    world = World()
    world.tell(message(category="weather"), message("good"))
    subjects = [one.subject for one in world.log]
    assert str(message_key("10010", "call-7781")) not in subjects


def test_a_message_from_before_there_were_rules_is_refused() -> None:
    (told,) = World().tell(message(time="2003-12-31T00:00:00+08:00"))
    assert (told["outcome"], told["rule"]) == ("refused", "policy-missing")


def test_bytes_that_cannot_be_read_are_kept_sealed_and_reported_with_their_place() -> None:
    world = World()
    assert world.tell(b"\xff\xfe")[0] == {"outcome": "parked", "rule": "bad-json"}
    assert world.vault.kept == {"complaints.channel/0/0": b"\xff\xfe"}
    assert world.tell(None)[0]["rule"] == "empty"
    assert not world.log


def test_one_bad_message_does_not_stop_its_batch() -> None:
    world = World()
    outcomes = world.tell(message("a"), b"{", message("b", category="weather"), message("c"))
    assert [one["outcome"] for one in outcomes] == [
        "registered", "parked", "refused", "registered",
    ]  # fmt: skip


class LockedPerson(DomainError):
    rule = "locked"


class LockingVault(FakeVault):
    """Refuses to seal anything for one person, as the vault does for a locked one."""

    def seal_many(self, items: Any) -> Any:
        if any(person == self.persons["13900000007"] for person, _, _ in items):
            raise LockedPerson
        return super().seal_many(items)


def test_a_locked_person_stops_no_message_but_their_own() -> None:
    world = World(vault=LockingVault())
    numbers = ["13900000001", "13900000007", "13900000002"]
    outcomes = world.tell(*(message(f"m-{n}", subscriber=n) for n in numbers))
    assert [one["outcome"] for one in outcomes] == ["registered", "refused", "registered"]
    assert outcomes[1]["rule"] == "locked"


# --- what the runtime sees ------------------------------------------------------------------------


def prepared(raw: RawMessage) -> Message | Refusable | Sealed:
    world = World()
    return IntakeDoor(world.vault, lambda: SEEDS, world.clock).prepare([raw])[0]


def test_the_actor_is_the_channel_by_kafka_and_the_caller_by_http() -> None:
    by_kafka = prepared(RawMessage(wire(message()), "complaints.channel/0/0"))
    by_http = prepared(RawMessage(wire(message()), "http", actor="channel:gateway-3"))
    assert isinstance(by_kafka, Message)
    assert isinstance(by_http, Message)
    assert by_kafka.actor == "channel:10010"
    assert by_http.actor == "channel:gateway-3"
    assert by_kafka.causation == by_http.causation == "message:10010 call-7781"


def test_the_trace_is_the_messages_own_before_the_records() -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    other = "00-00000000000000000000000000000001-00f067aa0ba902b7-01"
    told = prepared(RawMessage(wire({**message(), "traceparent": trace}), "http", other))
    assert isinstance(told, Message)
    assert told.traceparent == trace
    plain = prepared(RawMessage(wire(message()), "http", other))
    assert isinstance(plain, Message)
    assert plain.traceparent == other


def test_everything_resolving_reads_was_asked_for_in_bulk() -> None:
    world = World()
    told = message(subscriber="13900000001", category="billing", receipt="1000-0000-0009")
    one = world.door.prepare([RawMessage(wire(told), "p/0/0")])[0]
    assert isinstance(one, Message)
    one.resolve(world)
    assert [read for read in world.reads if read not in one.wants] == []


def test_a_quoted_receipt_keeps_the_sms_words_sealed_on_the_contact() -> None:
    world = World()
    (first,) = world.tell(message(subscriber="13900000001"))
    world.tell(message("sms-1", source="sms", channel="sms", receipt=first["receipt"], text="催"))
    (linked,) = world.happened(ComplaintContactLinked)
    assert world.vault.plaintexts[linked.text][2] == "催"
    assert linked.standalone.profile.channel is ChannelKind.SMS
