"""Which version of which policy was in force at an instant; policies are data, never code."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from libs.decider.errors import Refused


class PolicyMissing(Refused):
    """No version of this policy is in force at that instant."""

    rule = "policy-missing"
    zh = "当时没有生效的规则版本"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a policy's content, and what to do about it.

    `kind` is its sort: unreadable, unknown, missing, limit, gap, overlap, floor, national or
    unsound. `where` is the path in the content, e.g. ("clocks", 4, "limit"); empty: the whole.
    `line` is the line, from 1, of the file it was written in, where that is known.
    """

    kind: str
    where: tuple[str | int, ...]
    problem: str
    line: int | None = None


class Unsound(ValueError):
    """A policy's content is wrong in these places, all of which its writer is told."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(f"{as_read(one.where)}: {one.problem}" for one in faults))
        self.faults = tuple(faults)

    @classmethod
    def at(cls, kind: str, where: tuple[str | int, ...], problem: str) -> "Unsound":
        """Wrong in this one place."""
        return cls((Fault(kind, where, problem),))


FLOOR = "floor"
"""The kind of fault that promises less than the law (DOMAIN: "a floor no setting can lower")."""


def as_read(where: tuple[str | int, ...]) -> str:
    """A path as people read it: `clocks[4].limit`."""
    text = ""
    for step in where:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


@dataclass(frozen=True, slots=True, eq=False)
class PolicyInForce:
    """One activated version of a policy.

    `content` is the whole policy as plain data; `compiled` whatever the service's own reader made
    of it. `active_from` is the later of its activation and its `effective_from` (EVENTS,
    policy.activated); seed versions count from 2004-01-01. `activated_at` and `activated_by` tell
    when and by whom it came on record.
    """

    name: str
    version: str
    sha256: str
    active_from: datetime
    content: Mapping[str, Any]
    compiled: Any = None
    effective_from: datetime | None = None
    activated_at: datetime | None = None
    activated_by: str = ""
    seed: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Policies:
    """All activated versions of a service's policies, by name, oldest first. Immutable."""

    versions: Mapping[str, tuple[PolicyInForce, ...]] = field(default_factory=dict)

    def in_force(self, name: str, at: datetime) -> PolicyInForce:
        """The version of `name` in force at `at`; raises PolicyMissing when there is none."""
        for version in reversed(self.versions.get(name, ())):
            if version.active_from <= at:
                return version
        raise PolicyMissing(f"no version of policy {name!r} is in force at {at.isoformat()}")

    def version(self, name: str, version: str) -> PolicyInForce:
        """That very version, in force or not: a clock keeps the version it started with."""
        for known in self.versions.get(name, ()):
            if known.version == version:
                return known
        raise PolicyMissing(f"policy {name!r} has no version {version!r}")

    def adding(self, policy: PolicyInForce) -> "Policies":
        """These policies and one more version; a version already known changes nothing."""
        known = self.versions.get(policy.name, ())
        if any(one.version == policy.version for one in known):
            return self
        ordered = tuple(sorted((*known, policy), key=lambda one: one.active_from))
        return Policies({**self.versions, policy.name: ordered})
