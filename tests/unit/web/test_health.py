"""Health and metrics are open, on an app of their own, and say why a service is not ready."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge

from libs.web import build_health
from tests.unit.web.client import Client


def health(reasons: Sequence[str], warnings: Sequence[str] = ()) -> Client:
    registry = CollectorRegistry()
    looked = Gauge("looked", "how often somebody looked", registry=registry)
    Counter("requests", "requests taken", registry=registry).inc(3)

    async def ready() -> Sequence[str]:
        return reasons

    async def look() -> Sequence[str]:
        looked.inc()
        return warnings

    return Client(build_health("jobs", ready, registry, lambda: {"openapi": "3.1.0"}, look))


def test_live_and_ready() -> None:
    client = health([])
    assert client.get("/health/live").json() == {"service": "jobs", "status": "live"}
    answer = client.get("/health/ready")
    assert answer.json() == {"service": "jobs", "status": "ready", "reasons": [], "warnings": []}


def test_not_ready_says_why() -> None:
    client = health(["a gap in partition 3 of /bihuan/intake"])
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "2"
    assert answer.json()["reasons"] == ["a gap in partition 3 of /bihuan/intake"]
    assert client.get("/health/live").status_code == 200


def test_what_somebody_should_see_to_makes_no_service_unready() -> None:
    answer = health([], ["3 clocks have no due"]).get("/health/ready")
    assert (answer.status_code, answer.json()["warnings"]) == (200, ["3 clocks have no due"])


def test_what_is_counted_only_when_asked_is_counted_before_it_is_told() -> None:
    assert "looked 1.0" in health([]).get("/metrics").text


def test_metrics_are_prometheus_text() -> None:
    answer = health([]).get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert "requests_total 3.0" in answer.text


def test_the_api_is_described_to_anybody_and_nothing_else_is_there() -> None:
    client = health([])
    assert client.get("/openapi.json").json() == {"openapi": "3.1.0"}
    assert client.get("/v1/jobs").json()["rule"] == "not-found"
    assert client.post("/metrics").json()["rule"] == "method-not-allowed"
