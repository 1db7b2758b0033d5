"""Work on complaints and the teams that do it: pure rules, no I/O, no clock.

Where a rule lives: `policy` the decision table and the teams; `choosing` who is asked and why not
the others; `queueing` routing, assigning, accepting, ending; `staffing` who may do what to whom;
`handling` passing on, opinions, waiting, contacts; `answering` promises, findings, money, the
answer; `state` what it all folds into; `work` and `team` the two deciders.
"""

from services.routing.domain.policy import compile_policy
from services.routing.domain.team import TEAM
from services.routing.domain.work import WORK

__all__ = ["TEAM", "WORK", "compile_policy"]
