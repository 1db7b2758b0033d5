"""Where a complaint stands at the 10015 desk, in both languages: told with every refusal."""

from libs.decider import Standing
from services.escalation.domain.state import Cases, Stage

STAGES = {
    Stage.REQUESTED: Standing("requested", "已申请升级,待受理", "requested, not yet accepted"),
    Stage.ACCEPTED: Standing("accepted", "10015已受理", "accepted by the desk"),
    Stage.DECIDED: Standing("decided", "已作决定", "decided"),
    Stage.DECLINED: Standing("declined", "未受理", "declined"),
    Stage.CLOSED: Standing("closed", "升级已结束", "the case is closed"),
}
NO_CASE = Standing("no_case", "没有升级", "no case")


def stands(cases: Cases) -> Standing:
    """The stage of its latest case."""
    if not cases.cases:
        return NO_CASE
    return STAGES[cases.cases[max(cases.cases)].stage]
