"""Policy files checked as the service that follows them will read them, and compared."""

import importlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import cache
from typing import Any

from cli.places import SERVICES
from libs.decider.policy import Fault
from libs.eventlog.policies import content_digest
from libs.eventlog.policy_faults import faults_of
from libs.eventlog.policy_files import PolicyFile, seed_instant
from libs.eventlog.service import Service
from libs.messaging.access import ACCESS

IDENTITIES = ("code", "id", "team", "agent")
"""By what the entries of a list are told apart when two versions are compared."""

ESCALATION, CLOCKS = "escalation", "clocks"
BESIDE = {ESCALATION: (ACCESS, CLOCKS), ACCESS: (ESCALATION,), CLOCKS: (ESCALATION,)}
"""Policies of two services that are held against each other: no service knows the other's."""

_KINDS = {
    "unreadable": "无法读取",
    "unknown": "未知取值",
    "missing": "缺失",
    "limit": "数值不合法",
    "gap": "规则有空缺",
    "overlap": "重复或重叠",
    "floor": "低于法定下限",
    "national": "低于全国标准",
    "unsound": "内容不正确",
}


@dataclass(frozen=True, slots=True)
class Found:
    """One fault at its line."""

    file: str
    line: int
    kind: str
    problem: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.kind} {_KINDS[self.kind]}: {self.problem}"


@cache
def owners() -> Mapping[str, Service]:
    """Which service follows each policy."""
    described = [importlib.import_module(f"services.{one}.main").describe() for one in SERVICES]
    return {str(seed["name"]): one for one in described for seed in one.seed_policies}


def seed(name: str) -> Mapping[str, Any]:
    """The version that came with the software."""
    return next(one for one in owners()[name].seed_policies if one["name"] == name)


def known() -> frozenset[str]:
    """The names of everything that can be checked and compared."""
    return frozenset(owners())


def check(files: Sequence[PolicyFile], *, among: bool = True) -> list[Found]:
    """Every fault of these files: each by itself, and beside each other and what came with us.

    In whatever order they are given: of two versions of one policy, the one that begins last is
    what the other policies are held against. `among` False: other policies are not asked about,
    for the running system may go by others than came with us.
    """
    found: list[Found] = []
    sound: list[PolicyFile] = []
    for file in files:
        faults = list(file.faults) or _faults(file)
        found += [_found(file, fault) for fault in faults]
        if not file.faults and file.content["name"] in known():
            sound.append(file)
    together = () if found or not among else _together(sound)
    return [*found, *_overlapping(sound), *together]


def _together(files: Sequence[PolicyFile]) -> Iterator[Found]:
    """What no policy says wrong by itself: whom a queue, a tier or an amount is left to."""
    counting: dict[str, Mapping[str, Any]] = {name: seed(name) for name in known()}
    for file in sorted(files, key=_beginning):
        counting[str(file.content["name"])] = file.content
    for file in files:
        name = str(file.content["name"])
        others = {other: told for other, told in counting.items() if other != name}
        faults = [*owners()[name].vet_together(name, file.content, others)]
        yield from (_found(file, one) for one in (*faults, *_across(name, file.content, others)))


def beside(file: PolicyFile, others: Mapping[str, Mapping[str, Any]]) -> list[Found]:
    """The faults of a sound file beside other services' policies."""
    found = _across(str(file.content["name"]), file.content, others)
    return [_found(file, one) for one in found]


def _beginning(file: PolicyFile) -> tuple[datetime, str]:
    since = _since(file.content)
    return since or datetime.max.replace(tzinfo=UTC), str(file.content["version"])


def _across(
    name: str, content: Mapping[str, Any], others: Mapping[str, Mapping[str, Any]]
) -> Iterator[Fault]:
    """What one service leaves to another: escalation names roles of access, and clocks."""
    if name not in BESIDE:
        return
    told = {**others, name: content}
    if name != CLOCKS:
        yield from _desks(name, told[ESCALATION], told[ACCESS])
    if name != ACCESS:
        yield from _promises(name, told[ESCALATION], told[CLOCKS])


def _desks(name: str, escalation: Mapping[str, Any], access: Mapping[str, Any]) -> Iterator[Fault]:
    below = ("content",) if "content" in escalation else ()
    for tier, named in escalation.get("content", escalation)["desks"].items():
        for number, role in enumerate(named):
            if role in access["roles"]:
                continue
            where = (*below, "desks", tier, number) if name == ESCALATION else ("roles",)
            problem = (
                f"the cases of tier {tier} are the role {role}'s, which the table of roles and "
                "actions (policy access) does not have: name a role that it has, or add it there"
            )
            yield Fault("unknown", where, problem)


def _promises(
    name: str, escalation: Mapping[str, Any], clocks: Mapping[str, Any]
) -> Iterator[Fault]:
    below = ("content",) if "content" in escalation else ()
    promises = escalation.get("content", escalation)["resolution_promises"]
    codes = [str(row["code"]) for row in clocks["clocks"]]
    for key in ("clocks", "except"):
        for number, code in enumerate(promises.get(key, ())):
            if code in codes:
                continue
            at = (*below, "resolution_promises", key, number)
            near = get_close_matches(code, codes, n=1)
            hint = f"did you mean {near[0]}?" if near else "name a `code` of the policy clocks"
            problem = f"escalation goes by the unknown clock {code!r}: {hint}"
            yield Fault("unknown", at if name == ESCALATION else ("clocks",), problem)


def _faults(file: PolicyFile) -> list[Fault]:
    name, service = str(file.content["name"]), owners().get(str(file.content["name"]))
    if service is None:
        told = ", ".join(sorted(known()))
        return [Fault("unknown", ("name",), f"unknown policy {name!r}: known are {told}")]
    return faults_of(name, file.content, service.compile_policy, service.vet_policy, service.names)


def _overlapping(files: Sequence[PolicyFile]) -> Iterator[Found]:
    """Two versions of one policy: never one name for both, never in force from one instant."""
    for number, file in enumerate(files):
        name = str(file.content["name"])
        ours = seed(name)
        if content_digest(file.content) == content_digest(ours):
            continue
        others: list[tuple[str, Mapping[str, Any]]] = [("the one that came with us", ours)]
        others += [
            (other.path.name, other.content)
            for other in files[:number]
            if other.content["name"] == name
        ]
        for told, other in others:
            yield from (_found(file, one) for one in _against(file.content, told, other))


def _against(mine: Mapping[str, Any], told: str, other: Mapping[str, Any]) -> Iterator[Fault]:
    if str(mine["version"]) == str(other["version"]):
        problem = (
            f"version {mine['version']} is taken ({told}): a version never changes, name a new one"
        )
        yield Fault("overlap", ("version",), problem)
    since, others = _since(mine), _since(other)
    if since is None or others is None:
        return
    if since == others or (since < others and told == "the one that came with us"):
        problem = (
            f"it would count from {mine['effective_from']}, and so does version {other['version']} "
            f"({told}): choose a later instant"
        )
        yield Fault("overlap", ("effective_from",), problem)


def _since(content: Mapping[str, Any]) -> datetime | None:
    try:
        return seed_instant(content["effective_from"])
    except ValueError:
        return None


def _found(file: PolicyFile, fault: Fault) -> Found:
    return Found(str(file.path), file.line(fault.where), fault.kind, fault.problem)


# --- what differs -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where two versions differ; `was` or `becomes` is None where there is nothing."""

    where: str
    was: Any
    becomes: Any


def differences(old: Any, new: Any, where: str = "") -> Iterator[Difference]:
    """Where two contents differ; entries of lists are told apart by their code, not their place."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in dict.fromkeys((*old, *new)):
            yield from differences(old.get(key), new.get(key), f"{where}.{key}" if where else key)
    elif (named := _named(old)) is not None and (others := _named(new)) is not None:
        for key in dict.fromkeys((*named, *others)):
            yield from differences(named.get(key), others.get(key), f"{where}[{key}]")
    elif _are_tables(old) and _are_tables(new) and len(old) == len(new):
        for number, (was, becomes) in enumerate(zip(old, new, strict=True), start=1):
            yield from differences(was, becomes, f"{where}[{number}]")
    elif old != new:
        yield Difference(where, old, new)


def _are_tables(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(one, Mapping) for one in value)


def _named(value: Any) -> dict[str, Any] | None:
    """A list of entries by their own name; None when it is no such list."""
    if not isinstance(value, list | tuple) or not value:
        return None
    for identity in IDENTITIES:
        if all(isinstance(one, Mapping) and identity in one for one in value):
            by_name = {str(one[identity]): one for one in value}
            return by_name if len(by_name) == len(value) else None
    return None
