"""Where a complaint's work stands, in both languages: told with every refusal."""

from libs.decider import Standing
from services.routing.domain.state import Phase, Work

PHASES = {
    Phase.QUEUED: Standing("queued", "待派单", "waiting in its queue"),
    Phase.ASSIGNED: Standing("assigned", "已派单,待接单", "offered, not yet taken"),
    Phase.ACCEPTED: Standing("accepted", "处理中", "being worked on"),
    Phase.FORWARDED: Standing("forwarded", "已转派", "passed on"),
    Phase.ANSWERED: Standing("answered", "已答复", "answered"),
    Phase.ENDED: Standing("ended", "已结束", "ended"),
}
SUSPENDED = Standing("suspended", "已挂起", "suspended")


def stands(work: Work) -> Standing:
    """Suspended, or else the phase of its work."""
    return SUSPENDED if work.suspension is not None else PHASES[work.phase]
