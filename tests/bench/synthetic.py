"""Many complaints' events out of a few that were really played: what compresses, and what does not.

Ids, sealed words, digests, receipts and instants are another complaint's each time; only these, and
so a file of them is about as large as one of as many real events. The chains hold.
"""

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from typing import NamedTuple

from libs.eventlog.envelope import GENESIS
from libs.eventlog.service import LogRecord
from libs.eventlog.work import partition_of

_CHANGES = re.compile(
    rb'"previous":"(?P<previous>[0-9a-f]{64})"'
    rb'|"traceparent":"00-(?P<trace>[0-9a-f]{32}-[0-9a-f]{16})-01"'
    rb"|(?P<id>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"
    rb"|(?P<sealed>bs1\.[A-Za-z0-9_-]{20,})"
    rb"|(?P<receipt>[0-9]{4}-[0-9]{4}-[0-9]{4})(?![0-9-])"
    rb"|(?P<instant>20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:)(?P<seconds>00\.000000)Z"
)
ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
INTERLEAVED = 400
"""So many complaints are under way at once: their events lie between each other's."""

Story = Sequence[tuple[str, str, bytes]]
"""A complaint's events: source, type, bytes."""


class _Hole(NamedTuple):
    kind: str
    was: bytes


@dataclass(frozen=True)
class _Template:
    source: str
    type: str
    parts: Sequence[bytes | _Hole]


def _template(source: str, kind: str, value: bytes) -> _Template:
    parts: list[bytes | _Hole] = []
    end = 0
    for found in _CHANGES.finditer(value):
        name = found.lastgroup or ""
        name = "instant" if name == "seconds" else name
        span = "seconds" if name == "instant" else name
        parts += [value[end : found.start(span)], _Hole(name, found[span])]
        end = found.end(span)
    parts.append(value[end:])
    return _Template(source, kind, parts)


class _Copy:
    """One more complaint: what each changing thing of the story is for it."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._known: dict[bytes, bytes] = {}
        self._seconds = b"%02d.%06d" % (chance.randrange(60), chance.randrange(1_000_000))
        self.heads: dict[str, bytes] = {}

    def told(self, template: _Template) -> bytes:
        out = []
        for part in template.parts:
            if isinstance(part, bytes):
                out.append(part)
            elif part.kind == "previous":
                out.append(self.heads.get(template.source, GENESIS.encode()))
            elif part.kind == "instant":
                out.append(self._seconds)
            else:
                out.append(self.other(part))
        value = b"".join(out)
        self.heads[template.source] = sha256(value).hexdigest().encode()
        return value

    def other(self, hole: _Hole) -> bytes:
        known = self._known.get(hole.was)
        if known is None:
            known = self._known[hole.was] = self._made(hole)
        return known

    def _made(self, hole: _Hole) -> bytes:
        chance = self._chance
        if hole.kind == "id":
            text = b"%032x" % chance.getrandbits(128)
            return b"-".join(text[a:b] for a, b in pairwise((0, 8, 12, 16, 20, 32)))
        if hole.kind == "trace":
            return b"%032x-%016x" % (chance.getrandbits(128), chance.getrandbits(64))
        if hole.kind == "receipt":
            return b"%04d-%04d-%04d" % tuple(chance.randrange(10_000) for _ in range(3))
        noise = chance.randbytes(len(hole.was) - 4)
        return b"bs1." + noise.translate(_BASE64)


_BASE64 = bytes(ALPHABET[byte & 63] for byte in range(256))


def records(
    stories: Sequence[Story], events: int, partitions: int, seed: int = 5
) -> Iterator[LogRecord]:
    """So many events (a few more, to the end of the last complaints), in the log's order.

    Another seed gives other ones.
    """
    chance = random.Random(seed)
    templates = [[_template(*one) for one in story] for story in stories]
    subjects = [_subject(story) for story in stories]
    offsets, sent = [0] * partitions, dict[str, int]()
    last: dict[tuple[str, int], str] = {}
    made = 0
    while made < events:
        under_way = []
        for _ in range(INTERLEAVED):
            at, copy = chance.randrange(len(stories)), _Copy(chance)
            under_way.append((copy, copy.other(_Hole("id", subjects[at])).decode(), templates[at]))
        for step in range(max(map(len, templates))):
            for copy, subject, told in under_way:
                if step >= len(told):
                    continue
                one, partition = told[step], partition_of(subject, partitions)
                number = sent[one.source] = sent.get(one.source, 0) + 1
                position = f"1-{number}"
                after = last.get((one.source, partition), "0-0")
                last[one.source, partition] = position
                yield LogRecord(
                    partition,
                    offsets[partition],
                    one.source,
                    one.type,
                    subject,
                    position,
                    after,
                    copy.told(one),
                )
                offsets[partition] += 1
                made += 1


def _subject(story: Story) -> bytes:
    found = re.search(rb'"subject":"([^"]+)"', story[0][2])
    assert found is not None
    return found[1]
