"""One complaint's trace crosses the services, each hop linked to its own cause; over OTLP/HTTP."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.e2e.world import World, play
from tests.serving import serving

START = "2025-10-09 09:00:00"
TOLD: dict[str, Any] = {
    "text": "手机没信号",
    "category": "mobile.coverage",
    "channel": "sms",
    "subscriber": "13800000901",
    "reply_to": {"kind": "sms", "address": "13800000901"},
}
ALLOWED = {"bihuan.source", "bihuan.subject", "bihuan.sequence", "bihuan.event"}
DECIDING = {
    *("bihuan-intake", "bihuan-routing", "bihuan-sla_watch"),
    *("bihuan-feedback_survey", "bihuan-escalation"),
}
KEEPING = "bihuan-audit"
"""It decides nothing: it keeps what the others decided."""


class Collector:
    """What a collector was sent: spans with the service they come from."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, Span]] = []

    def take(self, body: bytes) -> None:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = next(
                one.value.string_value
                for one in resource.resource.attributes
                if one.key == "service.name"
            )
            for scope in resource.scope_spans:
                self.spans += [(service, span) for span in scope.spans]


@contextmanager
def collector() -> Iterator[tuple[Collector, str]]:
    """An OTLP/HTTP receiver on this machine."""
    kept = Collector()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            kept.take(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200 if self.path == "/v1/traces" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    with serving(server):
        yield kept, f"http://127.0.0.1:{server.server_port}"


def test_a_complaints_trace_crosses_all_six_services(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: dict[str, str] = {}
    cause: dict[str, str] = {}

    async def scene(world: World) -> None:
        complaint = await world.say("sms", "traced", **TOLD)
        told["complaint"] = complaint
        receipt = (await world.receipt(complaint)).replace("-", "")
        await world.say(kind="escalation_wish", text="找10015", receipt=receipt)
        await world.desk(complaint, "decline", {"reason": "not_yet"})
        await world.answers(complaint, await world.accepts(complaint))
        await world.replies(receipt, 9, resolved=True)
        for one in await world.events(complaint):
            cause[str(one.id)] = one.causation

    with collector() as (kept, url):
        monkeypatch.setenv("BIHUAN_OTLP_ENDPOINT", url)
        play(tmp_path, START, scene)  # its end sends what is queued
    trace = told["complaint"].replace("-", "")
    in_trace = [(service, span) for service, span in kept.spans if span.trace_id.hex() == trace]
    mine = {
        attribute(span, "bihuan.event"): (service, span)
        for service, span in in_trace
        if service != KEEPING
    }
    assert set(mine) == set(cause), "every event of the complaint, in its own trace"
    assert {service for service, _ in mine.values()} == DECIDING
    for event, (_, span) in mine.items():
        if cause[event] in mine:
            assert span.parent_span_id == mine[cause[event]][1].span_id
            assert [link.span_id for link in span.links] == [span.parent_span_id]
        else:  # a message or a key led to it, no event
            assert span.parent_span_id == b""
        assert {one.key for one in span.attributes} <= ALLOWED
        assert TOLD["subscriber"] not in str(span)
    kept_by_audit = {
        attribute(span, "bihuan.event"): span for service, span in in_trace if service == KEEPING
    }
    assert set(kept_by_audit) == set(cause), "audit keeps each of them, in the same trace"
    for event, span in kept_by_audit.items():
        assert span.parent_span_id == mine[event][1].span_id
        assert span.name == f"kept {mine[event][1].name}"
        assert {one.key for one in span.attributes} <= ALLOWED
        assert TOLD["subscriber"] not in str(span)


def attribute(span: Span, name: str) -> str:
    return next(one.value.string_value for one in span.attributes if one.key == name)
