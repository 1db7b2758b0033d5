"""Each event has its own place in its complaint's trace, linked to its own cause."""

import json
import timeit
from collections.abc import Sequence
from time import perf_counter
from typing import Any
from uuid import UUID, uuid5

import pytest
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

from libs.decider import Event, Recorded
from libs.decider.story import DAWN
from libs.telemetry import traceparent
from libs.telemetry.tracing import NoTracing, SpanTracing, tracing_for

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
CAUSE = UUID("0af76519-16cd-43dd-8448-eb211c80319c")
EFFECT = UUID("b7ad6b71-6920-4331-9d55-0d3c6a0a4a11")
REAL_NS = 1_760_000_000_000_000_000


class Happened(Event):
    type = "thing.happened.v1"
    words: str = "我的宽带"


class Kept(SpanProcessor):
    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.spans.append(span)


def recorded(identity: UUID, causation: str, trace: str) -> Recorded[Any]:
    data = Happened()
    subject = "5b0fdb9c-6f5b-5f3c-9d55-0d3c6a0a4a11"
    return Recorded(
        identity, "/bihuan/intake", data.type, subject, DAWN, 1, "agent:8812", data,
        causation=causation, traceparent=trace,
    )  # fmt: skip


def spans_of(events: Sequence[Recorded[Any]]) -> list[ReadableSpan]:
    kept = Kept()
    SpanTracing("intake", kept, lambda: REAL_NS).committed(events, perf_counter() - 0.25)
    return kept.spans


def test_a_child_keeps_the_trace_and_has_a_span_of_its_own() -> None:
    assert traceparent.child(PARENT, EFFECT) == f"00-{TRACE}-b7ad6b7169204331-01"
    assert traceparent.child(PARENT[:-1] + "0", EFFECT) == f"00-{TRACE}-b7ad6b7169204331-00"


@pytest.mark.parametrize(
    "text",
    ["", "00", PARENT.upper(), PARENT + "-x", "ff" + PARENT[2:], PARENT.replace(TRACE, "0" * 32),
     PARENT.replace("00f067aa0ba902b7", "0" * 16), " " + PARENT, PARENT + "\n"],
)  # fmt: skip
def test_a_malformed_parent_starts_a_new_trace(text: str) -> None:
    assert traceparent.parse(text) is None
    started = "00-b7ad6b71692043319d550d3c6a0a4a11-b7ad6b7169204331-01"
    assert traceparent.child(text, EFFECT) == started


def test_each_event_of_a_batch_is_linked_to_its_own_cause() -> None:
    causes = [CAUSE, uuid5(CAUSE, "other")]
    batch = [
        recorded(
            uuid5(cause, "effect"), str(cause), traceparent.child(PARENT, uuid5(cause, "effect"))
        )
        for cause in causes
    ]
    spans = spans_of(batch)
    for span, cause, event in zip(spans, causes, batch, strict=True):
        assert span.parent is not None
        assert span.context is not None
        assert f"{span.context.trace_id:032x}" == TRACE
        assert f"{span.context.span_id:016x}" == event.id.hex[:16]
        assert f"{span.parent.span_id:016x}" == cause.hex[:16]
        (link,) = span.links
        assert link.context == span.parent
        assert dict(link.attributes or {}) == {"bihuan.cause": str(cause)}


def test_what_no_event_led_to_is_the_root_of_its_trace() -> None:
    (span,) = spans_of([recorded(EFFECT, "key:abc", traceparent.starting_at(EFFECT))])
    assert span.parent is None
    assert span.links == ()


def test_a_span_has_real_times_and_nothing_of_the_content() -> None:
    (span,) = spans_of([recorded(EFFECT, str(CAUSE), traceparent.child(PARENT, EFFECT))])
    assert span.end_time == REAL_NS
    assert span.start_time is not None
    assert 0.25e9 <= REAL_NS - span.start_time < 5e9
    assert span.name == "thing.happened.v1"
    assert dict(span.attributes or {}) == {
        "bihuan.source": "/bihuan/intake",
        "bihuan.subject": "5b0fdb9c-6f5b-5f3c-9d55-0d3c6a0a4a11",
        "bihuan.sequence": 1,
        "bihuan.event": str(EFFECT),
    }
    assert "宽带" not in span.to_json()
    assert "8812" not in span.to_json()


def test_an_event_without_a_trace_has_no_span() -> None:
    assert spans_of([recorded(EFFECT, str(CAUSE), "")]) == []


def test_switched_off_it_costs_almost_nothing() -> None:
    tracing = tracing_for("intake", "", lambda: REAL_NS)
    assert isinstance(tracing, NoTracing)
    batch = [recorded(EFFECT, str(CAUSE), PARENT)] * 500
    seconds = timeit.timeit(lambda: tracing.committed(batch, 0.0), number=1000)
    assert seconds < 0.05  # 50 microseconds for a batch of 500


@pytest.mark.parametrize("endpoint", ["http://otel:4318", "http://otel:4318/v1/traces"])
def test_spans_go_to_the_collectors_traces(endpoint: str) -> None:
    tracing = tracing_for("intake", endpoint, lambda: REAL_NS)
    assert isinstance(tracing, SpanTracing)
    exporter = tracing._processor.span_exporter  # type: ignore[attr-defined]
    assert exporter._endpoint == "http://otel:4318/v1/traces"
    tracing.close()


def test_what_is_kept_has_a_span_under_the_events_own() -> None:
    kept = Kept()
    tracing = SpanTracing("audit", kept, lambda: REAL_NS)
    whole: dict[str, Any] = {
        "id": str(EFFECT), "source": "/bihuan/intake", "type": "thing.happened.v1",
        "subject": "5b0fdb9c-6f5b-5f3c-9d55-0d3c6a0a4a11", "sequence": "3",
        "traceparent": f"00-{TRACE}-b7ad6b7169204331-01",
        "data": {"words": "我的宽带"},
    }  # fmt: skip
    tracing.kept([json.dumps(whole).encode()] * 2, perf_counter() - 0.25)
    span, again = kept.spans
    assert span.name == "kept thing.happened.v1"
    assert span.context is not None
    assert span.parent is not None
    assert f"{span.context.trace_id:032x}" == TRACE
    assert f"{span.parent.span_id:016x}" == "b7ad6b7169204331"
    assert span.context.span_id != span.parent.span_id
    assert again.context == span.context
    assert "宽带" not in span.to_json()


@pytest.mark.parametrize(
    "value",
    [b"", b"\xff", b"[]", b"{}", b'{"id": "x"}', b"null",
     json.dumps({"id": str(EFFECT), "traceparent": 3}).encode()],
)  # fmt: skip
def test_what_is_no_event_of_ours_has_no_span(value: bytes) -> None:
    kept = Kept()
    SpanTracing("audit", kept, lambda: REAL_NS).kept([value], perf_counter())
    assert kept.spans == []
