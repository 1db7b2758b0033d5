"""The text that is signed when complaints past their retention go, said once for all who check it.

Whoever has a `cohort.purged` event can make this text again and check its Ed25519 signature with
nothing but the public key: audit, each service's database, an auditor.
"""

from collections.abc import Iterable, Sequence

from contracts.housekeeping import CohortPurged, Head

TITLE = "bihuan cohort purged"

HEADS_MAX = 1000
"""Streams in one part: with complaint ids as subjects about 200 KB, under an event's 256 KB."""


def purge_text(
    cohort: str,
    part: int,
    parts: int,
    ground: str,
    count: int,
    proposed_by: str,
    by: str,
    heads: Iterable[Head],
) -> bytes:
    r"""What is signed: UTF-8 lines, each ended by `\n`, the heads by source and subject.

    No field may hold a line break or a tab; the types of `cohort.purged` forbid them, but a
    subject is any text: raises ValueError for one that has either.
    """
    lines = [TITLE, cohort, f"{part}/{parts}", ground, str(count), proposed_by, by]
    for head in sorted(heads, key=_place):
        if any(ord(one) < 32 for one in head.subject):
            raise ValueError("a subject with a control character cannot be signed for")
        lines.append(f"{head.source}\t{head.subject}\t{head.sequence}\t{head.digest}")
    return "".join(f"{line}\n" for line in lines).encode()


def text_of(event: CohortPurged) -> bytes:
    """The text whose signature an event carries."""
    return purge_text(
        event.cohort,
        event.part,
        event.parts,
        event.ground,
        event.count,
        event.proposed_by,
        event.by,
        event.heads,
    )


def in_parts(heads: Iterable[Head]) -> Sequence[tuple[Head, ...]]:
    """The heads in parts of at most HEADS_MAX, never one subject's streams in two of them."""
    of_subject: dict[str, list[Head]] = {}
    for head in sorted(heads, key=lambda one: (one.subject, one.source)):
        of_subject.setdefault(head.subject, []).append(head)
    parts: list[list[Head]] = []
    for together in of_subject.values():
        if not parts or len(parts[-1]) + len(together) > HEADS_MAX:
            parts.append([])
        parts[-1] += together
    return [tuple(sorted(part, key=_place)) for part in parts]


def _place(head: Head) -> tuple[str, str]:
    """By code point, as `COLLATE "C"` sorts UTF-8."""
    return head.source, head.subject
