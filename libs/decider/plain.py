"""Rows of read models as plain JSON, equal byte for byte wherever the same rows are written."""

import json
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import UUID

from libs.decider.decider import wire_instant

TOKEN_START = "bs1."  # noqa: S105 - how a sealed token of the vault begins; it opens nothing
MARK_HEX_DIGITS = 16

Tables = Mapping[str, list[dict[str, Any]]]
"""Table -> its rows, each column -> plain value; the order is canonical."""


def plain(value: Any) -> Any:
    """A value as JSON has it: instants in UTC with microseconds, dates, ids and amounts as text,
    sealed words marked.

    A sealed token becomes `🔒` and the start of its SHA-256: two tokens can be told apart, and
    nobody gets one that they could ask to have opened.
    """
    match value:
        case str() if value.startswith(TOKEN_START):
            return f"🔒{sha256(value.encode()).hexdigest()[:MARK_HEX_DIGITS]}"
        case datetime():
            return wire_instant(value)
        case date():
            return value.isoformat()
        case UUID() | Decimal():
            return str(value)
        case Mapping():
            return {str(name): plain(inner) for name, inner in value.items()}
        case list() | tuple():
            return [plain(inner) for inner in value]
        case _:
            return value


def tables(rows: Iterable[tuple[str, Mapping[str, Any]]]) -> Tables:
    """(table, columns) of each row, as plain tables; those without rows are left out."""
    found: dict[str, list[dict[str, Any]]] = {}
    for table, columns in rows:
        found.setdefault(table, []).append(plain(columns))
    return {table: sorted(found[table], key=canonical) for table in sorted(found)}


def canonical(value: Any) -> str:
    """The one JSON text of a plain value: sorted names, no blanks, characters as they are."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
