"""The figures by which reports judge, as versioned data: the target of the connection rate.

A version judges days from the one on which it comes into force.
"""

from collections.abc import Iterable
from datetime import date
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from contracts.values import Version
from services.audit.domain.reporting.facts import Fact
from services.audit.domain.reporting.period import day_of

NAME = "reports"
"""The policy's name."""
OWNER = "/bihuan/audit"
"""Whose policy it is."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Connection(_Part):
    """When a line is well enough answered on a day (004 每日接通率测试表)."""

    share: Annotated[str, Field(pattern=r"^[1-9][0-9]{0,3}/[1-9][0-9]{0,3}$")]
    """The share of calls to be answered in time, as an exact fraction."""
    within_seconds: Annotated[int, Field(ge=1, le=600)]
    """How soon is in time."""


class ReportsPolicy(_Part):
    """One version of the figures."""

    name: str
    version: Version
    effective_from: str
    connection: Connection


def in_force(rules: Iterable[Fact], day: date) -> Fact | None:
    """The version that judges this day; None where none is on record."""
    found = [one for one in rules if day_of(one["counts_from"]) <= day]
    return max(found, key=lambda one: (one["counts_from"], one["version"]), default=None)
