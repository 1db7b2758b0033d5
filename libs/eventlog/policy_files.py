"""A policy file as people write it: YAML, with the line of everything in it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from libs.decider.policy import Fault, as_read

THINGS_MAX = 50_000
"""Keys and values in one policy, references written out: a few lines could stand for millions."""

BYTES_MAX = 200_000
"""An event holds 256 KB at most, and it holds the whole policy (DESIGN, The event)."""

SHANGHAI = ZoneInfo("Asia/Shanghai")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}")
HEADS = ("name", "version", "effective_from")


DEEP_MAX = 100
"""Things within things; the deepest policy has eight. The fast reader recurses in C unguarded."""

_SIXTY = frozenset(("tag:yaml.org,2002:int", "tag:yaml.org,2002:float"))
_RESOLVERS = {
    sign: [
        (tag, re.compile(rf"(?!.*:)(?:{known.pattern})", known.flags) if tag in _SIXTY else known)
        for tag, known in resolvers
    ]
    for sign, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class _Loader(yaml.SafeLoader):
    """YAML 1.1 but for its numbers to the base of 60: `21:00` is a time of day, never 1260."""

    yaml_implicit_resolvers = _RESOLVERS


class _FastLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc] # chosen when imported
    """The same ten times as fast where PyYAML has libyaml; what it says of faults is poorer."""

    yaml_implicit_resolvers = _RESOLVERS


@dataclass(frozen=True)
class PolicyFile:
    """A policy as written: its content as plain JSON, and the line (from 1) of each path in it."""

    path: Path
    content: Mapping[str, Any]
    lines: Mapping[tuple[str | int, ...], int]
    faults: tuple[Fault, ...] = ()
    """What keeps it from being read at all."""

    def line(self, where: tuple[str | int, ...]) -> int:
        """The line of that place, or of the nearest thing around it."""
        return nearest(self.lines_as_read, where)

    @cached_property
    def lines_as_read(self) -> Mapping[str, int]:
        """The line of each place, as people read places."""
        return {as_read(where): line for where, line in self.lines.items()}


def nearest(lines: Mapping[str, int], where: tuple[str | int, ...]) -> int:
    """The line of a place, or of the nearest thing around it; the first where none is known."""
    for length in range(len(where), 0, -1):
        if (found := lines.get(as_read(where[:length]))) is not None:
            return found
    return 1


def read_policy_file(path: Path) -> PolicyFile:
    """Reads one file; what is wrong with its form is in `faults`. Raises OSError."""
    raw = path.read_bytes()
    try:
        return replace(read_policy(raw.decode("utf-8")), path=path)
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        return replace(_unreadable("it is not UTF-8 text: save it as UTF-8", line), path=path)


def read_policy(text: str) -> PolicyFile:
    """Reads a policy's text, YAML or JSON; what is wrong with its form is in `faults`.

    Dates become ISO text, so that the content is plain JSON wherever it goes.
    """
    if len(text.encode()) > BYTES_MAX:
        return _unreadable(f"it is larger than {BYTES_MAX} bytes: nobody can activate it")
    try:
        loader, node = _composed(text)
        if node is not None and _things(node, {}) > THINGS_MAX:
            return _unreadable("its `*` references stand for too much: write them out")
        content = None if node is None else plain(loader.construct_document(node))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "something is wrong"
        return _unreadable(
            f"it is not YAML: {_mending(problem)}", 1 if mark is None else mark.line + 1
        )
    except (RecursionError, ValueError) as error:
        return _unreadable(f"it cannot be read: {type(error).__name__}; write it plainly")
    if node is None or not isinstance(content, dict):
        return _unreadable("it holds no policy: it begins with `name: …`")
    lines: dict[tuple[str | int, ...], int] = {}
    faults: list[Fault] = []
    _walk(node, (), lines, faults)
    faults += head_faults(content)
    return PolicyFile(Path(), content, lines, tuple(faults))


def head_faults(content: Mapping[str, Any]) -> list[Fault]:
    """What is wrong with what every policy says of itself: name, version, effective_from."""
    faults = [
        Fault("missing", (), f"`{head}` is missing: add it at the top")
        for head in HEADS
        if not content.get(head)
    ]
    version, since = content.get("version"), content.get("effective_from")
    if version and not (isinstance(version, str) and _VERSION.fullmatch(version)):
        problem = 'it is no version: write letters, digits and _ . + - in quotes, like "2"'
        faults.append(Fault("unsound", ("version",), problem))
    if since:
        try:
            seed_instant(since)
        except ValueError:
            problem = (
                f"{since!r} is no instant: write a date (00:00 in Shanghai) or "
                '"2026-11-30T00:00:00+08:00"'
            )
            faults.append(Fault("unsound", ("effective_from",), problem))
    return faults


def seed_instant(value: Any) -> datetime:
    """`effective_from` of a policy: a date (00:00 in Shanghai) or an instant with its zone.

    Raises ValueError.
    """
    text = value.isoformat() if isinstance(value, date) else str(value)
    instant = datetime.fromisoformat(text)
    return instant if instant.tzinfo else instant.replace(tzinfo=SHANGHAI)


def plain(value: Any) -> Any:
    """The same with text for every key and ISO text for dates."""
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [plain(one) for one in value]
    return value.isoformat() if isinstance(value, date) else value


def _composed(text: str) -> tuple[Any, yaml.Node | None]:
    """The loader and the document, with its marks; raises YAMLError, RecursionError, ValueError."""
    try:
        _refuse_deep(text)
        fast = _FastLoader(text)
        return fast, fast.get_single_node()
    except yaml.YAMLError:
        slow = _Loader(text)
        return slow, slow.get_single_node()


def _refuse_deep(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_FastLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEEP_MAX:
                raise RecursionError
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _mending(problem: str) -> str:
    """What to do about what the YAML reader stumbled over."""
    if "'\\t'" in problem:
        return "there is a tab here: write blanks instead"
    if "expected ':'" in problem:
        return f"{problem}; write a blank behind each colon, as in `limit: 30 hours`, here or above"
    return f"{problem}; look at the indentation and the quotes here"


def _unreadable(problem: str, line: int = 1) -> PolicyFile:
    return PolicyFile(Path(), {}, {("",): line}, (Fault("unreadable", ("",), problem),))


def _things(node: yaml.Node, counted: dict[int, int]) -> int:
    """How many things a node stands for once its references are written out, or too many."""
    if id(node) in counted:
        return counted[id(node)]
    counted[id(node)] = THINGS_MAX + 1  # what holds itself never ends
    below: list[yaml.Node] = []
    if isinstance(node, yaml.MappingNode):
        below = [one for pair in node.value for one in pair]
    elif isinstance(node, yaml.SequenceNode):
        below = list(node.value)
    counted[id(node)] = 1 + sum(_things(one, counted) for one in below)
    return counted[id(node)]


def _walk(
    node: yaml.Node,
    where: tuple[str | int, ...],
    lines: dict[tuple[str | int, ...], int],
    faults: list[Fault],
) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            step = (*where, str(getattr(key, "value", "?")))
            if step in lines:
                faults.append(
                    Fault("overlap", step, f"`{step[-1]}` is written twice: keep one of them")
                )
            lines[step] = key.start_mark.line + 1
            _walk(value, step, lines, faults)
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            lines[(*where, number)] = value.start_mark.line + 1
            _walk(value, (*where, number), lines, faults)
