"""Policies as a stream of their own: a version is in force only once its activation is recorded."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic_core import to_json

from libs.decider import (
    Command,
    Conflict,
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
from libs.eventlog.policy_faults import Compile, Vet, faults_of
from libs.eventlog.policy_files import read_policy_file

KIND = "policy"
"""The kind of stream that holds a policy's versions."""

FAULTS_TOLD_MAX = 5
"""How many faults one refusal tells; `bihuan policy check` tells them all."""


class ActivatePolicy(Command):
    """Bring this version of a policy into force from `effective_from` on, never earlier than now.

    `seed` is set only by a service's first start: seed versions count from their own
    `effective_from` (EVENTS, policy.activated: "seed versions from 2004-01-01").
    """

    name: str
    version: str
    effective_from: Instant
    content: dict[str, Any]
    seed: bool = False


class VersionTaken(Conflict):
    """This version of the policy exists with another content; a version never changes."""

    rule = "policy-version-taken"
    zh = "该版本号已存在且内容不同"


class VersionsOverlap(Conflict):
    """Another version counts from that very instant; choose a later one."""

    rule = "policy-versions-overlap"
    zh = "已有版本从同一时刻起生效,请选择更晚的时刻"


class PolicyUnsound(Refused):
    """The content is not a policy this service can follow."""

    rule = "policy-unsound"
    zh = "规则内容不正确"


class PolicyBelowFloor(Refused):
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
    raise (PolicyBelowFloor if below else PolicyUnsound)(f"{name} {version}: {told}{more}")


def policy_decider(
    activated: type[Event],
    compile_policy: Compile,
    read: Callable[[Recorded[Any]], PolicyInForce],
    vet: Vet = no_more_faults,
) -> Decider[PolicyStream]:
    """The decider of policy streams, writing the given `policy.activated` event class."""

    def decide(
        state: PolicyStream | None, command: ActivatePolicy, context: Context
    ) -> list[Event]:
        sha = content_digest(command.content)
        for known in state.versions if state else ():
            if known.version == command.version:
                if known.sha256 == sha:
                    return []
                raise VersionTaken(f"{command.name} {command.version} exists with other content")
        faults = faults_of(command.name, command.content, compile_policy, vet)
        refuse_unsound(command.name, command.version, faults)
        for known in state.versions if state else ():
            if known.active_from == command.effective_from > context.now:
                raise VersionsOverlap(
                    f"{command.name} {known.version} counts from {command.effective_from} already: "
                    f"let {command.version} count from a later instant"
                )
        return [
            activated.model_validate(
                {
                    "name": command.name,
                    "version": command.version,
                    "sha256": sha,
                    "effective_from": command.effective_from,
                    "content": command.content,
                    "seed": command.seed,
                }
            )
        ]

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


def seed_instant(value: Any) -> datetime:
    """`effective_from` of a policy file: a date (00:00 in Shanghai) or an instant with its zone."""
    text = value.isoformat() if isinstance(value, date) else str(value)
    instant = datetime.fromisoformat(text)
    return instant if instant.tzinfo else instant.replace(tzinfo=ZoneInfo("Asia/Shanghai"))


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
