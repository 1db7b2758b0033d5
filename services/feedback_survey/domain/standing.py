"""How far the asking of a customer is, in both languages: told with every refusal."""

from libs.decider import Standing
from services.feedback_survey.domain.state import Feedback

NOT_ASKED = Standing("not_asked", "尚未回访", "not asked yet")
ASKED = Standing("asked", "已回访,待评价", "asked, no answer yet")
CONCLUDED = Standing("concluded", "回访已结束", "the asking is over")
STOPPED = Standing("stopped", "已停止联系用户", "nobody contacts the customer any more")


def stands(feedback: Feedback) -> Standing:
    """Whether the customer is asked, was asked, or may not be any more."""
    if feedback.stops(feedback.cycle):
        return STOPPED
    if feedback.open_survey is not None:
        return ASKED
    return NOT_ASKED if feedback.last_survey is None else CONCLUDED
