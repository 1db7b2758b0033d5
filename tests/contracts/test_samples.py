"""Golden samples: what was written once is read for ever, and would be written the same."""

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from contracts.catalogue import CATALOGUE, DECODE, RETIRED
from contracts.json_schema import WIRE_ORDER
from contracts.messages import ChannelMessage, OutboundNotice
from contracts.published import released
from libs.eventlog.envelope import Origin, Unreadable, decode, encode, event_id
from libs.telemetry.traceparent import child
from tests.contracts.git import content_at, files_at
from tests.contracts.golden import ROOT, SAMPLES, sample_bytes, sample_path

TYPES = sorted(DECODE)


def test_every_event_version_has_a_sample_and_no_sample_is_without_one() -> None:
    found = {path.name.removesuffix(".json") for path in (ROOT / SAMPLES).glob("*.json")}
    assert found == {*TYPES, "channel.message.v1"}


@pytest.mark.parametrize("event_type", TYPES)
def test_a_sample_is_read_as_its_model(event_type: str) -> None:
    recorded = decode(sample_bytes(event_type), DECODE)
    assert type(recorded.data) is DECODE[event_type]
    assert recorded.type == event_type


@pytest.mark.parametrize("event_type", TYPES)
def test_a_sample_is_written_again_byte_for_byte(event_type: str) -> None:
    state = sample_bytes(event_type)
    envelope = json.loads(state)
    recorded = decode(state, DECODE)
    again, same = encode(
        recorded.data,
        source=recorded.source,
        subject=recorded.subject,
        sequence=recorded.sequence,
        previous=envelope["previous"],
        time=recorded.time,
        origin=Origin(recorded.causation, recorded.actor, recorded.traceparent),
    )
    assert again == state
    assert same == recorded


@pytest.mark.parametrize("event_type", TYPES)
def test_a_sample_is_a_cloudevent_in_the_order_of_the_design(event_type: str) -> None:
    envelope: dict[str, Any] = json.loads(sample_bytes(event_type))
    assert tuple(envelope) == tuple(
        name for name in WIRE_ORDER if name in envelope or name != "occurredat"
    )
    (entry,) = [one for one in (*CATALOGUE, *RETIRED) if one.event.type == event_type]
    assert envelope["source"] in {f"/bihuan/{name}" for name in entry.writers}
    identity = event_id(envelope["source"], envelope["subject"], int(envelope["sequence"]))
    assert envelope["id"] == str(identity)
    assert envelope["traceparent"] == child(envelope["traceparent"], identity)
    assert all(name.islower() and name.isalnum() for name in envelope)  # CloudEvents 1.0 §3.1


@pytest.mark.parametrize("event_type", TYPES)
def test_a_sample_with_a_field_more_or_less_is_not_read(event_type: str) -> None:
    envelope = json.loads(sample_bytes(event_type))
    more = {**envelope, "data": {**envelope["data"], "surprise": 1}}
    with pytest.raises(Unreadable) as refused:
        decode(json.dumps(more).encode(), DECODE)
    assert refused.value.kind == "bad-body"
    assert str(refused.value).count("surprise") == 0, "a foreign name may be somebody's own word"
    assert "?: extra_forbidden" in str(refused.value)
    required = [name for name, one in DECODE[event_type].model_fields.items() if one.is_required()]
    assert required, "an event that may be empty says nothing"
    for name in required:
        less = {key: value for key, value in envelope["data"].items() if key != name}
        with pytest.raises(Unreadable):
            decode(json.dumps({**envelope, "data": less}).encode(), DECODE)


def test_a_sample_of_the_channel_is_read_with_its_own_time() -> None:
    message = ChannelMessage.model_validate_json(sample_path("channel.message.v1").read_bytes())
    assert message.time == datetime.fromisoformat("2025-10-12T20:15:00+08:00")
    assert message.data.subscriber == "18600000000"


def test_a_notice_is_read_by_gateways_from_the_very_bytes_of_its_event() -> None:
    state = sample_bytes("notice.issued.v1")
    outbound = OutboundNotice.model_validate_json(state)
    assert outbound.data == decode(state, DECODE).data
    assert outbound.id == str(decode(state, DECODE).id)


def test_an_event_that_happened_before_it_was_recorded_says_so_in_its_envelope() -> None:
    recorded = decode(sample_bytes("work.contacted.v1"), DECODE)
    assert recorded.at == datetime.fromisoformat("2025-10-11T09:50:00+08:00")
    assert recorded.time == datetime.fromisoformat("2025-10-11T10:05:00+08:00")
    assert replace(recorded, occurred=None).at == recorded.time


def test_no_sample_of_a_release_was_ever_written_again() -> None:
    tag = released()
    if not tag:
        return  # nothing has been released, so nothing is promised yet
    for name in files_at(tag, SAMPLES):
        assert (ROOT / name).read_bytes() == content_at(tag, name), f"{name} is not as in {tag}"
