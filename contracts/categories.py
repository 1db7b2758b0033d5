"""What customers complain about: every category with its code, two names and its parent."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple


class Category(StrEnum):
    """What a complaint is about (DOMAIN rule 4); dots descend from parent to child."""

    MOBILE = "mobile"
    MOBILE_COVERAGE = "mobile.coverage"
    MOBILE_NONCOVERAGE = "mobile.noncoverage"
    MOBILE_NONCOVERAGE_CALL_QUALITY = "mobile.noncoverage.call_quality"
    MOBILE_NONCOVERAGE_DATA_SPEED = "mobile.noncoverage.data_speed"
    MOBILE_NONCOVERAGE_SMS = "mobile.noncoverage.sms"
    BROADBAND = "broadband"
    BROADBAND_FAULT = "broadband.fault"
    BROADBAND_INSTALL = "broadband.install"
    FIXED_LINE = "fixed_line"
    FIXED_LINE_FAULT = "fixed_line.fault"
    INTERCONNECTION = "interconnection"
    BILLING = "billing"
    BILLING_OVERCHARGE = "billing.overcharge"
    BILLING_UNKNOWN_DEDUCTION = "billing.unknown_deduction"
    BILLING_ARREARS = "billing.arrears"
    ROAMING = "roaming"
    ROAMING_DOMESTIC = "roaming.domestic"
    ROAMING_INTERNATIONAL = "roaming.international"
    ROAMING_INTERNATIONAL_EMERGENCY = "roaming.international.emergency"
    VALUE_ADDED = "value_added"
    VALUE_ADDED_CANCEL_ONE = "value_added.cancel_one"
    VALUE_ADDED_CANCEL_ALL = "value_added.cancel_all"
    PRODUCT = "product"
    SERVICE = "service"
    SERVICE_ATTITUDE = "service.attitude"
    SERVICE_QUALITY = "service.quality"
    PRIVACY = "privacy"
    PRIVACY_HARASSMENT = "privacy.harassment"
    ACCOUNT = "account"
    ACCOUNT_NUMBER = "account.number"
    ACCOUNT_CONTRACT = "account.contract"
    UNCLASSIFIED = "unclassified"

    @property
    def parent(self) -> "Category | None":
        """The category one step up; None at the top."""
        above, dot, _ = self.value.rpartition(".")
        return Category(above) if dot else None

    def within(self, ancestor: "Category") -> bool:
        """Whether this is `ancestor` or one of its descendants."""
        return self is ancestor or self.value.startswith(f"{ancestor.value}.")


class Names(NamedTuple):
    """What people call a thing, in both languages."""

    zh: str
    en: str


CATEGORY_NAMES: Mapping[Category, Names] = MappingProxyType(
    {
        Category.MOBILE: Names("移动网络", "Mobile network"),
        Category.MOBILE_COVERAGE: Names("网络覆盖", "Coverage"),
        Category.MOBILE_NONCOVERAGE: Names("非网络覆盖", "Non-coverage"),
        Category.MOBILE_NONCOVERAGE_CALL_QUALITY: Names("通话质量", "Call quality"),
        Category.MOBILE_NONCOVERAGE_DATA_SPEED: Names("上网速度", "Data speed"),
        Category.MOBILE_NONCOVERAGE_SMS: Names("短信收发", "SMS"),
        Category.BROADBAND: Names("宽带", "Broadband"),
        Category.BROADBAND_FAULT: Names("宽带故障", "Broadband fault"),
        Category.BROADBAND_INSTALL: Names("宽带装移机", "Broadband install or move"),
        Category.FIXED_LINE: Names("固定电话", "Fixed line"),
        Category.FIXED_LINE_FAULT: Names("固话故障", "Fixed line fault"),
        Category.INTERCONNECTION: Names("互联互通", "Interconnection"),
        Category.BILLING: Names("费用争议", "Billing dispute"),
        Category.BILLING_OVERCHARGE: Names("多收费", "Overcharge"),
        Category.BILLING_UNKNOWN_DEDUCTION: Names("不明扣费", "Unknown deduction"),
        Category.BILLING_ARREARS: Names("欠费争议", "Arrears"),
        Category.ROAMING: Names("漫游", "Roaming"),
        Category.ROAMING_DOMESTIC: Names("国内漫游", "Domestic roaming"),
        Category.ROAMING_INTERNATIONAL: Names("国际漫游", "International roaming"),
        Category.ROAMING_INTERNATIONAL_EMERGENCY: Names("境外紧急求助", "Emergency abroad"),
        Category.VALUE_ADDED: Names("增值业务", "Value-added service"),
        Category.VALUE_ADDED_CANCEL_ONE: Names("退订单项增值业务", "Cancel one service"),
        Category.VALUE_ADDED_CANCEL_ALL: Names("退订全部增值业务", "Cancel all services"),
        Category.PRODUCT: Names("产品与资费", "Product or tariff"),
        Category.SERVICE: Names("服务", "Service"),
        Category.SERVICE_ATTITUDE: Names("服务态度", "Service attitude"),
        Category.SERVICE_QUALITY: Names("服务质量", "Service quality"),
        Category.PRIVACY: Names("隐私与骚扰", "Privacy and harassment"),
        Category.PRIVACY_HARASSMENT: Names("骚扰信息", "Harassment"),
        Category.ACCOUNT: Names("号码与合约", "Number and contract"),
        Category.ACCOUNT_NUMBER: Names("号码", "Number"),
        Category.ACCOUNT_CONTRACT: Names("合约", "Contract"),
        Category.UNCLASSIFIED: Names("未分类", "Unclassified"),
    }
)
"""Each category's Chinese and English name."""
