"""Policies as a stream of their own: a version is in force only once its activation is recorded."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import UUID

from pydantic import Field, ValidationError
from pydantic_core import to_json

from libs.decider import (
    Command,
    Context,
    Decider,
    Event,
    Instant,
    Policies,
    PolicyInForce,
    Recorded,
    Refused,
    State,
)
from libs.decider.policy import FLOOR, Fault, as_read
from libs.eventlog.envelope import originator
from libs.eventlog.policy_faults import Compile, Together, Vet, faults_of
from libs.eventlog.policy_files import SHANGHAI, nearest, read_policy_file
from libs.eventlog.policy_wordings import Names

KIND = "policy"
"""The kind of stream that holds a policy's versions."""

FAULTS_TOLD_MAX = 5
"""How many faults one refusal tells; `bihuan policy check` tells them all."""


class ActivatePolicy(Command):
    """Bring this version of a policy into force from `effective_from` on; None: at once.

    `seed` is set only by a service's first start: seed versions count from their own
    `effective_from` (EVENTS, policy.activated: "seed versions from 2004-01-01").
    """

    name: str
    version: str
    effective_from: Instant | None
    content: dict[str, Any]
    seed: bool = False
    lines: dict[str, int] = Field(default_factory=dict)
    """The line of each place, as people read places, in the file it was written in."""


class NotActivated(Refused):
    """A version that cannot come into force; what was in force stays so.

    `faults` say where in the content, and what to do about it.

    NotActivated        422  the version is refused whole, for one of these reasons:
    ├── VersionTaken         its name is on record with another content or another beginning
    ├── VersionsOverlap      another version counts from that very instant
    ├── CountsFromThePast    it would count from an instant that has passed
    ├── PolicyUnsound        it is not a policy this service can follow
    └── PolicyBelowFloor     it promises less than the law
    """

    def __init__(self, detail: str, faults: Sequence[Fault] = ()) -> None:
        super().__init__(detail)
        self.faults = tuple(faults)


class VersionTaken(NotActivated):
    """This version of the policy is on record; a version never changes."""

    rule = "policy-version-taken"
    zh = "该版本号已有记录,版本一经生效不可更改,请换用新的版本号"


class VersionsOverlap(NotActivated):
    """Another version counts from that very instant; choose a later one."""

    rule = "policy-versions-overlap"
    zh = "已有版本从同一时刻起生效,请选择更晚的时刻"


class CountsFromThePast(NotActivated):
    """A version counts from now or later: what has been decided stays decided."""

    rule = "policy-counts-from-the-past"
    zh = "生效时间早于当前时刻,规则不能追溯生效,请选择更晚的时刻"


class PolicyUnsound(NotActivated):
    """The content is not a policy this service can follow."""

    rule = "policy-unsound"
    zh = "规则内容不正确,请按 errors 逐项修改"


class PolicyBelowFloor(NotActivated):
    """The content promises less than the law; no setting can lower a legal floor."""

    rule = "policy-below-legal-floor"
    zh = "规则低于法定下限,任何设置都不能降低"


@dataclass(frozen=True, slots=True)
class PolicyStream(State):
    """All versions of one policy ever activated."""

    versions: tuple[PolicyInForce, ...] = ()


def content_digest(content: Mapping[str, Any]) -> str:
    """SHA-256 of the content as canonical JSON (sorted keys, no spaces)."""
    return sha256(to_json(_sorted(content))).hexdigest()


def _sorted(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _sorted(value[key]) for key in sorted(value, key=str)}
    if isinstance(value, list | tuple):
        return [_sorted(one) for one in value]
    return value


def no_more_faults(_name: str, _content: Mapping[str, Any]) -> Sequence[Fault]:
    """Asks nothing of a policy but that it can be read."""
    return ()


def alone(
    _name: str, _content: Mapping[str, Any], _others: Mapping[str, Mapping[str, Any]]
) -> Sequence[Fault]:
    """No policy of this service says anything about another."""
    return ()


def refuse_unsound(name: str, version: str, faults: Sequence[Fault]) -> None:
    """Raises PolicyBelowFloor or PolicyUnsound, naming the first faults and where they are."""
    if not faults:
        return
    told = "; ".join(
        f"{as_read(one.where)}: {one.problem}" if one.where else one.problem
        for one in faults[:FAULTS_TOLD_MAX]
    )
    more = f" (and {len(faults) - FAULTS_TOLD_MAX} more)" if len(faults) > FAULTS_TOLD_MAX else ""
    below = any(one.kind == FLOOR for one in faults)
    refusal = PolicyBelowFloor if below else PolicyUnsound
    raise refusal(f"{name} {version}: {told}{more}", faults)


def policy_decider(
    activated: type[Event],
    compile_policy: Compile,
    read: Callable[[Recorded[Any]], PolicyInForce],
    vet: Vet = no_more_faults,
    together: Together = alone,
    names: Names = MappingProxyType({}),
) -> Decider[PolicyStream]:
    """The decider of policy streams, writing the given `policy.activated` event class.

    A version is held against the others as they will be in force when it begins. `names`: what
    people call the words that it is written in.
    """

    def faults(command: ActivatePolicy) -> list[Fault]:
        found = faults_of(command.name, command.content, compile_policy, vet, names)
        return located(found, command.lines)

    def decide(
        state: PolicyStream | None, command: ActivatePolicy, context: Context
    ) -> list[Event]:
        known = state.versions if state else ()
        if _on_record(known, command):
            return []
        refuse_unsound(command.name, command.version, faults(command))
        if not command.seed:
            _refuse_beginning(known, command, context)
            since = command.effective_from or context.now
            others = _others(command.name, context.policies, since)
            found = located(together(command.name, command.content, others), command.lines)
            refuse_unsound(command.name, command.version, found)
        return [_activated(activated, command, context)]

    def evolve(state: PolicyStream | None, recorded: Recorded[Any]) -> PolicyStream:
        return PolicyStream((*(state.versions if state else ()), read(recorded)))

    return Decider(
        kind=KIND,
        commands=(ActivatePolicy,),
        events=(activated,),
        decide=decide,
        evolve=evolve,
        subject_is_id=False,
    )


def _others(name: str, policies: Policies, at: datetime) -> Mapping[str, Mapping[str, Any]]:
    """The other policies of the service as they are in force at an instant."""
    return {
        other: begun[-1].content
        for other, versions in policies.versions.items()
        if other != name and (begun := [one for one in versions if one.active_from <= at])
    }


def located(faults: Iterable[Fault], lines: Mapping[str, int]) -> list[Fault]:
    """The faults with their lines, where lines are known."""
    return [replace(one, line=nearest(lines, one.where)) for one in faults] if lines else [*faults]


def _activated(activated: type[Event], command: ActivatePolicy, context: Context) -> Event:
    try:
        return activated.model_validate(
            {
                "name": command.name,
                "version": command.version,
                "sha256": content_digest(command.content),
                "effective_from": command.effective_from or context.now,
                "content": command.content,
                "seed": command.seed,
            }
        )
    except ValidationError as error:
        told = error.errors(include_url=False, include_input=False)[0]
        raise _at(command, PolicyUnsound, str(told["loc"][0]), str(told["msg"])) from error


def _at(
    command: ActivatePolicy, refusal: type[NotActivated], place: str, problem: str
) -> NotActivated:
    kind = "unsound" if refusal is PolicyUnsound else "overlap"
    return refusal(problem, located((Fault(kind, (place,), problem),), command.lines))


def _on_record(known: Sequence[PolicyInForce], command: ActivatePolicy) -> bool:
    """Whether this very version is on record already; raises VersionTaken when another is."""
    for one in known:
        if one.version != command.version:
            continue
        what = f"{command.name} {command.version} is on record"
        if one.sha256 != content_digest(command.content):
            problem = f"{what} with other content: a version never changes, name a new one"
            raise _at(command, VersionTaken, "version", problem)
        if command.effective_from not in (None, one.effective_from):
            problem = (
                f"{what} and counts from {told_there(one.active_from)}: "
                "to let it begin at another instant, name a new version"
            )
            raise _at(command, VersionTaken, "effective_from", problem)
        return True
    return False


def _refuse_beginning(
    known: Sequence[PolicyInForce], command: ActivatePolicy, context: Context
) -> None:
    """Raises CountsFromThePast or VersionsOverlap; who begins at once follows what was before."""
    since = command.effective_from
    if since is None:
        return
    if since < context.now:
        problem = (
            f"{command.name} {command.version} would count from {told_there(since)}, which has "
            "passed: choose a later instant, or let it count from now"
        )
        raise _at(command, CountsFromThePast, "effective_from", problem)
    for one in known:
        if one.active_from == since:
            problem = (
                f"{command.name} {one.version} counts from {told_there(since)} already: "
                f"let {command.version} count from a later instant"
            )
            raise _at(command, VersionsOverlap, "effective_from", problem)


def told_there(instant: datetime) -> str:
    """An instant as people in Shanghai read it."""
    there = instant.astimezone(SHANGHAI)
    return (
        f"{there:%Y-%m-%d %H:%M}"
        if there == there.replace(second=0, microsecond=0)
        else (f"{there:%Y-%m-%d %H:%M:%S.%f}")
    )


def policy_streams(policies: Policies) -> dict[UUID, int]:
    """The stream of each policy, and how many versions of it are known."""
    return {
        originator(KIND, name, subject_is_id=False): len(versions)
        for name, versions in policies.versions.items()
    }


def active_from(recorded: Recorded[Any]) -> datetime:
    """The later of the activation and `effective_from`; a seed's own `effective_from`."""
    effective: datetime = recorded.data.effective_from
    return effective if recorded.data.seed else max(effective, recorded.time)


def version_of(recorded: Recorded[Any], compiled: Any = None) -> PolicyInForce:
    """A `policy.activated` as a version on record, with what its service made of the content."""
    data = recorded.data
    return PolicyInForce(
        name=data.name,
        version=data.version,
        sha256=data.sha256,
        active_from=active_from(recorded),
        content=data.content,
        compiled=compiled,
        effective_from=data.effective_from,
        activated_at=recorded.time,
        activated_by=recorded.actor,
        seed=data.seed,
    )


def read_policies(folder: Path) -> tuple[Mapping[str, Any], ...]:
    """The seed versions in a service's `policy/` folder; raises ValueError naming file and line."""
    policies = []
    for path in sorted(folder.glob("*.yaml")):
        read = read_policy_file(path)
        if read.faults:
            fault = read.faults[0]
            raise ValueError(f"{path.name}:{read.line(fault.where)}: {fault.problem}")
        policies.append(read.content)
    return tuple(policies)
