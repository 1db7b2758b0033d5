"""Metrics are named alike and carry no label that could be anybody's."""

import pytest
from prometheus_client import generate_latest

from libs.telemetry.metrics import Metrics, new_registry, unsafe_samples


def test_each_service_has_a_registry_of_its_own() -> None:
    for service in ("intake", "routing"):
        registry = new_registry(service, "0.1.0")
        Metrics(registry).counter("bihuan_things", "Things", ["type"]).labels("a").inc()
        text = generate_latest(registry).decode()
        assert f'bihuan_service_info{{service="{service}",version="0.1.0"}} 1.0' in text
        assert 'bihuan_things_total{type="a"} 1.0' in text
        assert "process_resident_memory_bytes" in text


@pytest.mark.parametrize("name", ["things", "bihuan_Things", "bihuan_", "bihuan_thing-count"])
def test_a_name_against_the_convention_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="metric is named"):
        Metrics(new_registry("x", "1")).gauge(name, "Things")


@pytest.mark.parametrize("label", ["complaint", "subject", "person", "actor", "receipt"])
def test_an_id_is_no_label(label: str) -> None:
    with pytest.raises(ValueError, match=label):
        Metrics(new_registry("x", "1")).counter("bihuan_things", "Things", ["type", label])


def test_a_time_says_its_unit() -> None:
    metrics = Metrics(new_registry("x", "1"))
    with pytest.raises(ValueError, match="_seconds"):
        metrics.seconds("bihuan_wait", "Waiting")
    metrics.seconds("bihuan_wait_seconds", "Waiting", ["route"]).labels("/x").observe(0.2)


def test_a_label_that_looks_like_an_id_is_found() -> None:
    registry = new_registry("x", "1")
    counter = Metrics(registry).counter("bihuan_things", "Things", ["type"])
    counter.labels("work.accepted.v1").inc()
    assert list(unsafe_samples(registry)) == []
    counter.labels("13800138000").inc()
    counter.labels("张伟").inc()
    assert set(unsafe_samples(registry)) == {
        "bihuan_things_total{type}",
        "bihuan_things_created{type}",
    }
