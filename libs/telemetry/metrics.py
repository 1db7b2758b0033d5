"""Prometheus metrics of one service: named alike, and with no label that could be anybody's.

Six services may share a process, so each has a registry of its own. A label takes few values that
are known beforehand; an id as a label would be personal data at worst and a million series at best.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
from prometheus_client.process_collector import ProcessCollector

PREFIX: Final = "bihuan_"
LABELS: Final = frozenset(
    {
        "category", "clock", "copy", "event", "fate", "kind", "le", "method", "outcome",
        "partition", "policy", "reason", "result", "role", "route", "rule", "service", "source",
        "state", "status", "table", "tier", "timer", "topic", "type", "version",
    }
)  # fmt: skip
"""Names that a label may have: each stands for a short list of values of ours."""

SECONDS_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_NAME = re.compile(r"bihuan_[a-z][a-z0-9_]*\Z")
_ID_LIKE = re.compile(r"(?i)[0-9a-f]{8}-[0-9a-f]{4}-|\d{7,}|[^\x20-\x7e]")


def new_registry(service: str, version: str) -> CollectorRegistry:
    """A registry that says whose it is, and what its process uses."""
    registry = CollectorRegistry(auto_describe=True)
    Info("bihuan_service", "Which service this is", registry=registry).info(
        {"service": service, "version": version}
    )
    ProcessCollector(registry=registry)
    return registry


class Metrics:
    """Makes metrics in a registry; raises ValueError for a name or label against the convention.

    Names are `bihuan_<what>`; a counter's gets `_total`, a time ends in `_seconds`.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry

    def counter(self, name: str, about: str, labels: Sequence[str] = ()) -> Counter:
        """How often something happened."""
        return Counter(_checked(name, labels), about, labels, registry=self.registry)

    def gauge(self, name: str, about: str, labels: Sequence[str] = ()) -> Gauge:
        """How much there is now."""
        return Gauge(_checked(name, labels), about, labels, registry=self.registry)

    def seconds(self, name: str, about: str, labels: Sequence[str] = ()) -> Histogram:
        """How long something took; `name` ends in `_seconds`."""
        if not name.endswith("_seconds"):
            raise ValueError(f"{name}: a time's name ends in _seconds")
        checked = _checked(name, labels)
        return Histogram(checked, about, labels, registry=self.registry, buckets=SECONDS_BUCKETS)


def _checked(name: str, labels: Sequence[str]) -> str:
    if not _NAME.match(name):
        raise ValueError(f"{name}: a metric is named {PREFIX}<what>, in lower case")
    unknown = sorted(set(labels) - LABELS)
    if unknown:
        raise ValueError(f"{name}: {', '.join(unknown)} is no label we use")
    return name


def unsafe_samples(registry: CollectorRegistry) -> Iterator[str]:
    """Every label of every series that looks like an id or somebody's words, for tests."""
    for family in registry.collect():
        for sample in family.samples:
            for label, value in sample.labels.items():
                if _ID_LIKE.search(value):
                    yield f"{sample.name}{{{label}}}"
