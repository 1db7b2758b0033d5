"""The words that a policy is written in, as people say them: each code with its two names.

For who writes a policy: `bihuan policy words` lists them, and `bihuan policy check` says of 青海,
`Qinghai` or 宽带故障 which code to write.
"""

from collections.abc import Mapping
from types import MappingProxyType

from contracts.categories import CATEGORY_NAMES, Names
from contracts.values import CHANNELS, PROVINCES

PROVINCE = "province"
"""Of these words a policy's schema knows only the form: a complaint may come from elsewhere."""

NAMES: Mapping[str, Mapping[str, Names]] = MappingProxyType(
    {
        "kind": {
            "complaint": Names("投诉", "complaint"),
            "suggestion": Names("建议", "suggestion"),
            "praise": Names("表扬", "praise"),
            "consultation": Names("咨询", "consultation"),
        },
        "category": {category.value: names for category, names in CATEGORY_NAMES.items()},
        PROVINCE: PROVINCES,
        "district_type": {
            "urban": Names("城区", "urban"),
            "rural": Names("郊县", "rural"),
        },
        "urgency": {
            "urgent": Names("紧急", "urgent"),
            "ordinary": Names("一般", "ordinary"),
            "complex": Names("复杂", "complex"),
        },
        "customer_class": {
            "personal": Names("个人", "personal"),
            "family": Names("家庭", "family"),
            "enterprise": Names("政企", "enterprise"),
        },
        "value_tier": {
            "important": Names("重要", "important (VIP)"),
            "ordinary": Names("普通", "ordinary"),
            "potential": Names("潜在", "potential"),
            "lapsed": Names("离网", "lapsed"),
        },
        "channel": {kind.value: channel.names for kind, channel in CHANNELS.items()},
        "complexity": {
            "simple": Names("简单", "simple"),
            "complex": Names("复杂", "complex"),
        },
        "language": {
            "zh": Names("中文", "Chinese"),
            "en": Names("英文", "English"),
        },
    }
)
"""What each sort of word may be, by its code."""

SORTS: Mapping[str, tuple[str, str, tuple[str, ...]]] = MappingProxyType(
    {
        "kind": ("种类", "Kinds", ("kinds",)),
        "category": ("分类", "Categories", ("categories", "except_categories", "category")),
        PROVINCE: ("省份", "Provinces", ("provinces", "except_provinces", "province")),
        "district_type": ("地区类型", "Districts", ("districts", "district_types")),
        "urgency": ("紧急程度", "Urgencies", ("urgencies", "urgency")),
        "customer_class": ("客户类别", "Customer classes", ("customer_classes", "customer_class")),
        "value_tier": ("客户等级", "Value tiers", ("value_tiers", "value_tier")),
        "channel": ("渠道", "Channels", ("channels",)),
        "complexity": ("复杂程度", "Complexities of a partner's work", ("complexities",)),
        "language": ("语言", "Languages", ("languages", "language")),
    }
)
"""Each sort's Chinese and English name, and where policies write its words."""
