"""What became of every single row of a file, as a CSV beside it (`--outcomes FILE`)."""

import csv
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cli.accounting import Ended
from cli.client import Refused
from cli.places import NotRunning

COLUMNS = ("row", "id", "outcome", "complaint", "verdicts", "reason")
IMPORTED = "imported"
ASKED_MAX = 500
"""As many complaints as sla_watch takes in one request (`POST /asked-clocks`)."""
AGAIN_SECONDS = 0.2

Verdicts = Callable[[Sequence[str]], Sequence[Mapping[str, Any]]]
"""The clocks of these complaints; one that sla_watch has not heard of yet is not among them."""


class OutcomesFile:
    """Keeps the rows' ends, some 300 bytes each, and writes them in the order of the rows."""

    def __init__(self, path: Path) -> None:
        """Raises OSError now, and not after the work, where nothing can be written."""
        self._path = path
        self._ended: list[Ended] = []
        self.trouble: str | None = None
        """Why verdicts are missing, where they are."""
        with path.open("a", encoding="utf-8"):
            pass

    def take(self, ended: Ended) -> None:
        """One row has ended."""
        self._ended.append(ended)

    def write(self, ask: Verdicts | None, patience_s: float) -> None:
        """Writes the file anew; with `ask`, the verdicts of what was imported."""
        verdicts = {} if ask is None else self._verdicts(ask, patience_s)
        with self._path.open("w", encoding="utf-8", newline="") as text:
            out = csv.writer(text)
            out.writerow(COLUMNS)
            for one in sorted(self._ended, key=lambda one: one.row):
                judged = verdicts.get(one.complaint or "", "")
                out.writerow((one.row, one.message, one.outcome, one.complaint, judged, one.reason))

    def _verdicts(self, ask: Verdicts, patience_s: float) -> Mapping[str, str]:
        """Of each imported complaint; one that sla_watch does not hear of in time has none."""
        waiting = [one.complaint for one in self._ended if one.outcome == IMPORTED]
        wanted = [complaint for complaint in waiting if complaint is not None]
        found: dict[str, str] = {}
        heard_s = time.monotonic()
        while wanted and time.monotonic() - heard_s < patience_s:
            asked = wanted[:ASKED_MAX]
            try:
                told = _by_complaint(ask(asked))
            except (NotRunning, Refused) as error:
                self.trouble = f"sla_watch told no verdicts: {error}"
                return found
            found |= told
            still = [one for one in asked if one not in found] + wanted[ASKED_MAX:]
            news, wanted = len(still) < len(wanted), still
            if news:
                heard_s = time.monotonic()
            else:
                time.sleep(AGAIN_SECONDS)
        if wanted:
            self.trouble = f"sla_watch has not judged {len(wanted)} rows yet; import again to see"
        return found


def _by_complaint(clocks: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """`legal.answer=met@<due>` of each clock, a blank between."""
    told: defaultdict[str, list[str]] = defaultdict(list)
    for clock in clocks:
        due = f"@{clock['due_at']}" if clock["due_at"] else ""
        told[clock["complaint"]].append(f"{clock['clock']}={clock['state']}{due}")
    return {complaint: " ".join(sorted(each)) for complaint, each in told.items()}
