"""A span for each event that was committed, in its complaint's trace, linked to its own cause.

Nothing is measured around code: an event's bytes already say which trace it belongs to
(`traceparent`), what it is (its span id is the start of its event id) and what led to it
(`causationid`). So spans are read off committed events, one per event whatever the batch, and with
no exporter there is nothing to do at all. Who keeps events without deciding anything (audit) has a
span for each one kept, child of the event's own.
"""

import json
from collections.abc import Callable, Sequence
from hashlib import sha256
from time import perf_counter
from typing import Any, Final, Protocol
from uuid import UUID

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, TraceFlags

from libs.decider import Recorded
from libs.telemetry import traceparent

QUEUED_SPANS_MAX: Final = 8_192
"""Beyond it spans are dropped: telemetry never holds up a complaint."""

EXPORT_TIMEOUT_S: Final = 5
NS_PER_S: Final = 1_000_000_000
_SCOPE = InstrumentationScope("bihuan")
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_NOT_SAMPLED = TraceFlags(TraceFlags.DEFAULT)


class Tracing(Protocol):
    """What is told of committed events."""

    def committed(self, events: Sequence[Recorded[Any]], started_s: float) -> None:
        """These were committed just now; work on them began at `perf_counter()` = `started_s`."""
        ...

    def kept(self, values: Sequence[bytes], started_s: float) -> None:
        """The bytes of these events were put into the long-term log, in work begun then."""
        ...

    def close(self) -> None:
        """Send what is queued and stop."""
        ...


class NoTracing:
    """Tracing that is switched off: traces still run through the events, nobody looks."""

    def committed(self, events: Sequence[Recorded[Any]], started_s: float) -> None:
        """Nothing."""

    def kept(self, values: Sequence[bytes], started_s: float) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class SpanTracing:
    """Hands a span per event to `processor`; times are real, never the domain's (DESIGN, Time)."""

    def __init__(
        self, service: str, processor: SpanProcessor, real_now_ns: Callable[[], int]
    ) -> None:
        self._resource = Resource({"service.name": f"bihuan-{service}"})
        self._processor = processor
        self._now = real_now_ns

    def committed(self, events: Sequence[Recorded[Any]], started_s: float) -> None:
        """One span each, from the start of the work to now."""
        start_ns, end_ns = self._since(started_s)
        for event in events:
            span = span_for(event, self._resource, start_ns, end_ns)
            if span is not None:
                self._processor.on_end(span)

    def kept(self, values: Sequence[bytes], started_s: float) -> None:
        """One span each; bytes that are no event of ours have none."""
        start_ns, end_ns = self._since(started_s)
        for value in values:
            span = kept_span_for(value, self._resource, start_ns, end_ns)
            if span is not None:
                self._processor.on_end(span)

    def _since(self, started_s: float) -> tuple[int, int]:
        end_ns = self._now()
        return end_ns - int((perf_counter() - started_s) * NS_PER_S), end_ns

    def close(self) -> None:
        """Send what is queued, for at most the export's time-out, and stop."""
        self._processor.shutdown()


def tracing_for(service: str, endpoint: str, real_now_ns: Callable[[], int]) -> Tracing:
    """Tracing to an OTLP/HTTP collector, e.g. `http://127.0.0.1:4318`; an empty endpoint: none."""
    if not endpoint:
        return NoTracing()
    url = endpoint.rstrip("/")
    exporter = OTLPSpanExporter(
        url if url.endswith("/v1/traces") else f"{url}/v1/traces", timeout=EXPORT_TIMEOUT_S
    )
    processor = BatchSpanProcessor(exporter, max_queue_size=QUEUED_SPANS_MAX)
    return SpanTracing(service, processor, real_now_ns)


def span_for(
    event: Recorded[Any], resource: Resource, start_ns: int, end_ns: int
) -> ReadableSpan | None:
    """The event's span, child of and linked to its cause's; None without a valid trace.

    Attributes name the event's type and place, never its content or who asked.
    """
    place = traceparent.parse(event.traceparent)
    if place is None:
        return None
    flags = _SAMPLED if place.sampled else _NOT_SAMPLED
    trace = int(place.trace, 16)
    cause = _cause(event.causation, trace, flags)
    return ReadableSpan(
        name=event.type,
        context=SpanContext(trace, int(place.span, 16), is_remote=False, trace_flags=flags),
        parent=cause,
        resource=resource,
        attributes={
            "bihuan.source": event.source,
            "bihuan.subject": event.subject,
            "bihuan.sequence": event.sequence,
            "bihuan.event": str(event.id),
        },
        links=() if cause is None else (Link(cause, {"bihuan.cause": event.causation}),),
        kind=SpanKind.CONSUMER if cause else SpanKind.SERVER,
        start_time=start_ns,
        end_time=end_ns,
        instrumentation_scope=_SCOPE,
    )


def kept_span_for(
    value: bytes, resource: Resource, start_ns: int, end_ns: int
) -> ReadableSpan | None:
    """The span of an event's being kept, child of the event's own; None without a valid trace.

    Its id is made from the event's, so that an event kept again has the same span.
    """
    try:
        event = json.loads(value)
        identity = UUID(event["id"])
        place = traceparent.parse(event["traceparent"])
        attributes: dict[str, str | int] = {
            "bihuan.source": str(event["source"]),
            "bihuan.subject": str(event["subject"]),
            "bihuan.sequence": int(event["sequence"]),
            "bihuan.event": str(identity),
        }
        name = f"kept {event['type']}"
    except (ValueError, TypeError, KeyError):
        return None
    if place is None:
        return None
    flags = _SAMPLED if place.sampled else _NOT_SAMPLED
    trace = int(place.trace, 16)
    cause = SpanContext(trace, int(place.span, 16), is_remote=True, trace_flags=flags)
    own = int.from_bytes(sha256(b"kept" + identity.bytes).digest()[:8], "big")
    return ReadableSpan(
        name=name,
        context=SpanContext(trace, own, is_remote=False, trace_flags=flags),
        parent=cause,
        resource=resource,
        attributes=attributes,
        links=(Link(cause, {"bihuan.cause": str(identity)}),),
        kind=SpanKind.CONSUMER,
        start_time=start_ns,
        end_time=end_ns,
        instrumentation_scope=_SCOPE,
    )


def _cause(causation: str, trace: int, flags: TraceFlags) -> SpanContext | None:
    """The span of the event that led to this one; None where no event did (a message, a key)."""
    try:
        cause = UUID(causation)
    except ValueError:
        return None
    return SpanContext(trace, int(cause.hex[:16], 16), is_remote=True, trace_flags=flags)
