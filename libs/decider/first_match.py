"""Rules read from above, of which the first that holds decides: which of them can never be first.

A rule is a box: for each thing it asks, the values that would do; what it does not ask may be
anything. A rule below is in vain when one above holds whenever it does, or several between them.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Box = Mapping[str, frozenset[Any]]

PIECES_MAX = 20_000
"""So many pieces of a rule are looked at. Beyond, nothing is said of it: no table that people
write comes near (a rule of the shipped table falls into less than a hundred)."""


def never_first(asked: Sequence[Box], everything: Box) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Each rule that can never be the first to hold, and the rules above it because of which.

    `asked`: the rules from above, each as its box. `everything`: all values of each thing that any
    of them asks; the things are taken to be independent of each other.
    """
    for number, box in enumerate(asked):
        whole = {**everything, **box}
        above = [(one, asked[one]) for one in range(number) if _meet(whole, asked[one])]
        alone = next(((one,) for one, other in above if _within(whole, other)), None)
        covering = alone or _covering(whole, above)
        if covering:
            yield number, covering


def _meet(box: Box, other: Box) -> bool:
    return all(box[thing] & values for thing, values in other.items())


def _within(box: Box, other: Box) -> bool:
    return all(box[thing] <= values for thing, values in other.items())


def _covering(box: Box, above: Sequence[tuple[int, Box]]) -> tuple[int, ...]:
    """As few of the rules above as hold, between them, for all of the box; empty: none do."""
    if not _covered(box, above):
        return ()
    needed = list(above)
    for one in above:
        fewer = [other for other in needed if other is not one]
        if _covered(box, fewer):
            needed = fewer
    return tuple(number for number, _ in needed)


def _covered(box: Box, above: Sequence[tuple[int, Box]]) -> bool:
    """Cuts the box along each rule's edges: nothing may be left that no rule holds for."""
    left: list[tuple[dict[str, frozenset[Any]], int]] = [(dict(box), 0)]
    for _ in range(PIECES_MAX):
        if not left:
            return True
        piece, start = left.pop()
        for number in range(start, len(above)):
            _, rule = above[number]
            if not _meet(piece, rule):
                continue
            for thing, values in rule.items():
                if outside := piece[thing] - values:
                    left.append(({**piece, thing: outside}, number + 1))
                    piece[thing] &= values
            break
        else:
            return False
    return False
