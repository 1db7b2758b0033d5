"""A policy file as people write it: YAML, with the line of everything in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from libs.decider.policy import Fault

BYTES_MAX = 200_000
"""An event holds 256 KB at most, and it holds the whole policy (DESIGN, The event)."""

HEADS = ("name", "version", "effective_from")


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """One file: its content as plain JSON, and the line (from 1) of each path in it."""

    path: Path
    content: Mapping[str, Any]
    lines: Mapping[tuple[str | int, ...], int]
    faults: tuple[Fault, ...] = ()
    """What keeps it from being read at all."""

    def line(self, where: tuple[str | int, ...]) -> int:
        """The line of that place, or of the nearest thing around it."""
        for length in range(len(where), 0, -1):
            if (found := self.lines.get(where[:length])) is not None:
                return found
        return 1


def read_policy_file(path: Path) -> PolicyFile:
    """Reads one file; what is wrong with its form is in `faults`. Raises OSError.

    Dates become ISO text, so that the content is plain JSON wherever it goes.
    """
    try:
        raw = path.read_bytes()
        if len(raw) > BYTES_MAX:
            return _unreadable(path, f"it is larger than {BYTES_MAX} bytes: nobody can activate it")
        text = raw.decode("utf-8")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        content = plain(yaml.safe_load(text))
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        return _unreadable(path, "it is not UTF-8 text: save it as UTF-8", line)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "something is wrong"
        return _unreadable(
            path,
            f"it is not YAML: {problem}; look at the indentation and the quotes here",
            1 if mark is None else mark.line + 1,
        )
    except (RecursionError, ValueError) as error:
        return _unreadable(path, f"it cannot be read: {type(error).__name__}; write it plainly")
    if node is None or not isinstance(content, dict):
        return _unreadable(path, "it holds no policy: it begins with `name: …`")
    lines: dict[tuple[str | int, ...], int] = {}
    faults: list[Fault] = []
    _walk(node, (), lines, faults)
    faults += [
        Fault("missing", (), f"`{head}` is missing: add it at the top")
        for head in HEADS
        if not content.get(head)
    ]
    return PolicyFile(path, content, lines, tuple(faults))


def plain(value: Any) -> Any:
    """The same with text for every key and ISO text for dates."""
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [plain(one) for one in value]
    return value.isoformat() if isinstance(value, date) else value


def _unreadable(path: Path, problem: str, line: int = 1) -> PolicyFile:
    return PolicyFile(path, {}, {("",): line}, (Fault("unreadable", ("",), problem),))


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
