"""A complaint's promises, each with its clock: kept, broken, waiting, or no longer owed."""

from services.sla_watch.domain.decide import CLOCKS, decide
from services.sla_watch.domain.evolve import evolve
from services.sla_watch.domain.policy import compile_policy
from services.sla_watch.domain.state import Watch

__all__ = ["CLOCKS", "Watch", "compile_policy", "decide", "evolve"]
