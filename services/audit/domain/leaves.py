"""The list beside an exported checkpoint: each event that it sealed, by name and digest.

The root proves that something was changed; the list says what. It needs no trust of its own: with
the subtrees of the leaves before it, its digests give the root that was signed. JSON Lines: a head,
then for each partition where its run begins, and each of its records.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from services.audit.domain.tree import Frontier, NotInTree

LogPlace = tuple[int, int]
"""(life, offset) of a record in its partition."""


class NotAList(ValueError):
    """This is no list of leaves; the message says which line."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """One record that was sealed: where it lay, its digest, and which event it is."""

    partition: int
    place: LogPlace
    digest: bytes
    source: str
    subject: str
    sequence: int | None

    def line(self) -> str:
        """As the list has it."""
        return _line(
            [
                self.partition,
                *self.place,
                self.digest.hex(),
                self.source,
                self.subject,
                self.sequence,
            ]
        )


@dataclass(frozen=True, slots=True)
class LeafList:
    """A list as it was read: `runs` by partition, each with the place its run begins behind."""

    previous_size: int
    size: int
    root: bytes
    """What its digests give."""
    runs: dict[int, tuple[LogPlace, list[Leaf]]]


def head_line(previous_size: int, size: int, peaks: Sequence[bytes]) -> str:
    """The first line."""
    return _line(
        {"previous_size": previous_size, "size": size, "peaks": [one.hex() for one in peaks]}
    )


def span_line(partition: int, records: int, after: LogPlace) -> str:
    """What stands before the records of a partition."""
    return _line({"partition": partition, "records": records, "after": list(after)})


def read_list(text: str) -> LeafList:
    """A list from its lines; raises NotAList."""
    number = 1
    try:
        lines = [json.loads(line) for line in text.split("\n")[:-1]]
        head = lines[0]
        frontier = Frontier(head["previous_size"], [bytes.fromhex(one) for one in head["peaks"]])
        runs: dict[int, tuple[LogPlace, list[Leaf]]] = {}
        for line in lines[1:]:
            number += 1
            if isinstance(line, dict):
                life, offset = line["after"]
                runs[line["partition"]] = ((life, offset), [])
                continue
            leaf = _leaf(line)
            runs[leaf.partition][1].append(leaf)
            frontier.append(leaf.digest)
        if frontier.size != head["size"]:
            raise NotAList(f"it lists {frontier.size - head['previous_size']} events, not its all")
        return LeafList(head["previous_size"], frontier.size, frontier.root(), runs)
    except (ValueError, TypeError, KeyError, IndexError, NotInTree) as error:
        if isinstance(error, NotAList):
            raise
        raise NotAList(f"line {number} is not one of a list of leaves") from error


def _leaf(line: list[Any]) -> Leaf:
    partition, life, offset, digest, source, subject, sequence = line
    if not (isinstance(source, str) and isinstance(subject, str) and len(digest) == 64):
        raise TypeError("a leaf names its event and its digest")
    if not all(isinstance(one, int) for one in (partition, life, offset, sequence or 0)):
        raise TypeError("a leaf has whole numbers")
    return Leaf(partition, (life, offset), bytes.fromhex(digest), source, subject, sequence)


def _line(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n"
