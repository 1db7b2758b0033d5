"""A table of figures with headings in both languages; it says nothing of when or where it is made.

So that whoever makes it again from the same facts gets the same bytes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple


class Share(NamedTuple):
    """A part of a whole, exactly; never rounded, neither up nor down."""

    part: int
    whole: int

    def reaches(self, numerator: int, denominator: int) -> bool:
        """Whether it is at least `numerator / denominator`, compared as integers."""
        return self.part * denominator >= numerator * self.whole

    def __str__(self) -> str:
        """`98.00 %`; what has more than two places is cut off and says so: `97.98… %`."""
        hundredths, rest = divmod(self.part * 10_000, self.whole)
        whole, places = divmod(hundredths, 100)
        return f"{whole}.{places:02}{'…' if rest else ''} %"


def share(part: int, whole: int) -> Share | None:
    """A share, or None of nothing."""
    return Share(part, whole) if whole else None


Cell = str | bool | int | Decimal | date | datetime | Share | None
"""What a cell may hold: no float, for a figure here is exact. An instant has its zone."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name to machines, and its heading in both languages.

    `words`: what people read instead of a code in it; JSON, which machines read, has the code.
    """

    name: str
    zh: str
    en: str
    words: Mapping[str, str] = field(default_factory=dict)

    @property
    def heading(self) -> str:
        """Both, as people see them."""
        return f"{self.zh} {self.en}"


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table: each row has one cell a column, in the columns' order.

    Rows may come as they are made, and are then read once; nothing keeps them all. `about` are
    (name, text) pairs that say what the whole table is of: a period, an order.
    """

    name: str
    zh: str
    en: str
    about: Sequence[tuple[str, str]]
    columns: Sequence[Column]
    rows: Iterable[Sequence[Cell]]

    @property
    def title(self) -> str:
        """What stands above it."""
        told = " ".join(text for _, text in self.about)
        return f"{self.zh} {self.en}  {told}".rstrip()
