"""What the codes in a report's columns are called, for people; machines get the codes (JSON)."""

from collections.abc import Mapping
from types import MappingProxyType

from contracts.categories import Names
from contracts.policy_words import NAMES


def _called(names: Mapping[str, Names]) -> Mapping[str, str]:
    """Both names of each code, as a cell holds them."""
    return MappingProxyType({code: f"{one.zh} {one.en}" for code, one in names.items()})


CATEGORIES = _called(NAMES["category"])
CLASSES = _called(NAMES["customer_class"])
TIERS = _called(NAMES["value_tier"])
URGENCIES = _called(NAMES["urgency"])

DECISION_NAMES = MappingProxyType(
    {
        "upheld": Names("成立", "upheld"),
        "partly": Names("部分成立", "partly upheld"),
        "rejected": Names("不成立", "rejected"),
    }
)
"""As timelines tell them and as the customer reads them: one decision has one name."""
DECISIONS = _called(DECISION_NAMES)
_ASKED = {
    "satisfied": Names("满意", "satisfied"),
    "no_answer": Names("未回复", "no answer"),
    "unreachable": Names("无法联系", "unreachable"),
}
OUTCOMES = _called(
    {
        **_ASKED,
        "withdrawn": Names("已撤诉", "withdrawn"),
        "rejected": Names("不予受理", "not valid"),
        "imported": Names("由原系统迁入", "imported"),
        "merged": Names("已并案", "merged"),
    }
)
"""How a complaint ended; `merged`: it went into another."""
SURVEY_OUTCOMES = _called(
    {
        **_ASKED,
        "dissatisfied": Names("不满意", "dissatisfied"),
        "cancelled": Names("取消", "cancelled"),
    }
)
REVISITS = _called(
    {"survey": Names("满意度调查", "survey"), "visit": Names("客户回访", "follow-up visit")}
)
MEDIA = _called(
    {
        "message": Names("消息", "message"),
        "call": Names("电话", "call"),
        "visit": Names("上门", "visit"),
        "on_the_spot": Names("当场", "on the spot"),
    }
)
GROUNDS = _called(
    {
        "double_refund": Names("双倍返还", "double refund"),
        "rent_waiver": Names("减免月租", "rent waived"),
        "goodwill": Names("关怀补偿", "goodwill"),
        "all": Names("合计", "all"),
    }
)
AUTHORITIES = _called(
    {"limit": Names("权限之内", "limit"), "approval": Names("上级审批", "approval")}
)
ROLES = _called(
    {
        "team": Names("处理班组", "team"),
        "desk": Names("10015升级专席(省)", "10015, province"),
        "headquarters": Names("10015升级专席(总部)", "10015, headquarters"),
    }
)
"""Who grants; a role that an operator adds is shown by its code."""
COUNTED_BY = _called(
    {
        "all": Names("合计", "all"),
        "category": Names("类别", "category"),
        "province": Names("省份", "province"),
        "channel": Names("渠道", "channel"),
        "trigger": Names("触发原因", "trigger"),
    }
)
TOPICS_OF = _called(
    {"told": Names("受理", "told"), "answered": Names("答复", "answered")},
)
