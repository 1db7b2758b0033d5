"""The tables of a service, said once: read models, and what it keeps for good."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a service's read models.

    `columns` maps a name to its PostgreSQL type (`uuid not null`, `timestamptz`, `jsonb`, ...), key
    columns included; `indexes` are column lists as SQL has them (`"state, due_at"`). No column may
    default to `now()` or a serial: a rebuilt view must be equal (DESIGN, Rebuild, defined).
    `stream` is the column that names the complaint whose stream keeps a row, where it has one; such
    rows go with the complaint's records, unless the table `outlives` them.
    """

    name: str
    columns: Mapping[str, str]
    key: tuple[str, ...]
    indexes: tuple[str, ...] = ()
    stream: str = "complaint"
    outlives: bool = False

    def type_of(self, column: str) -> str:
        """The bare PostgreSQL type of a column, without constraints."""
        return self.columns[column].split(" not null")[0].split(" default")[0].strip()


@dataclass(frozen=True, slots=True)
class KeptTable:
    """A table whose rows the service may add and read, never delete (docs/decisions/0015).

    `statements` make it and its indexes; they run once, as the service. Then it belongs to the
    database's keeper. A row may change only where `grows` names a column that increases with each
    change, or `extends` a bytea that keeps what it had as its beginning.
    """

    name: str
    statements: tuple[str, ...]
    grows: str | None = None
    extends: str | None = None
