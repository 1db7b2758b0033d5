"""A read model's table, said once: its columns, its key, its indexes."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a service's read models.

    `columns` maps a name to its PostgreSQL type (`uuid not null`, `timestamptz`, `jsonb`, ...), key
    columns included; `indexes` are column lists as SQL has them (`"state, due_at"`). No column may
    default to `now()` or a serial: a rebuilt view must be equal (DESIGN, Rebuild, defined).
    `stream` is the column that names the complaint whose stream keeps a row, where it has one.
    """

    name: str
    columns: Mapping[str, str]
    key: tuple[str, ...]
    indexes: tuple[str, ...] = ()
    stream: str = "complaint"

    def type_of(self, column: str) -> str:
        """The bare PostgreSQL type of a column, without constraints."""
        return self.columns[column].split(" not null")[0].split(" default")[0].strip()
