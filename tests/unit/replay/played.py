"""One complaint's events of intake and sla_watch, as the log would have them."""

from dataclasses import replace
from typing import Any

from libs.decider import Recorded
from tests.unit.sla_watch.play import Play

KEPT = ("/bihuan/intake", "/bihuan/sla_watch")


def story(play: Play) -> list[Recorded[Any]]:
    """What it heard of intake and what it said, each stream numbered from 1.

    Other services' streams are left out: only what clocks need of them is told in a play.
    """
    last: dict[str, int] = {}
    merged: list[Recorded[Any]] = []
    for one in sorted((*play.heard, *play.told), key=lambda one: one.time):
        if one.source not in KEPT:
            continue
        last[one.source] = last.get(one.source, 0) + 1
        merged.append(replace(one, sequence=last[one.source]))
    return merged
