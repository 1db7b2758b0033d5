"""Reports and forms (DOMAIN rule 12): one pure fold of the log, and what is counted from it.

`fact_rows` says what an event adds to the rows, `REPORTS` makes a sheet of rows and a period. Live
the rows are audit's read models, in a replay they are its own; nothing else differs.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from libs.sheets import Sheet
from services.audit.domain.reporting.connection import connection
from services.audit.domain.reporting.escalations import escalations
from services.audit.domain.reporting.facts import COMPLAINT, TABLES, Fact, Facts, FactTable
from services.audit.domain.reporting.forms import records, revisits, told_in, with_words
from services.audit.domain.reporting.hearing import HEARD, fact_rows
from services.audit.domain.reporting.period import Period
from services.audit.domain.reporting.promises import promises
from services.audit.domain.reporting.refunds import refund_sums, refunds
from services.audit.domain.reporting.repeats import repeats
from services.audit.domain.reporting.satisfaction import satisfaction
from services.audit.domain.reporting.staff import owners, teams
from services.audit.domain.reporting.topics import topics
from services.audit.domain.reporting.volume import volume

Report = Callable[[Facts, Period], Sheet]

REPORTS: Mapping[str, Report] = MappingProxyType(
    {
        "promises": promises,
        "volume": volume,
        "topics": topics,
        "repeats": repeats,
        "escalations": escalations,
        "satisfaction": satisfaction,
        "refunds": refunds,
        "refund-sums": refund_sums,
        "teams": teams,
        "owners": owners,
        "records": records,
        "revisits": revisits,
        "connection": connection,
    }
)
"""Every report by its name."""

__all__ = [
    "COMPLAINT",
    "HEARD",
    "REPORTS",
    "TABLES",
    "Fact",
    "FactTable",
    "Facts",
    "Period",
    "Report",
    "fact_rows",
    "told_in",
    "with_words",
]
