"""No code stands in a form that people read: each has a Chinese and an English word."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
import yaml

from contracts.categories import Category
from contracts.escalation import GrantedUnder
from contracts.feedback_survey import SurveyOutcome
from contracts.intake import Outcome
from contracts.values import Basis, CustomerClass, Decision, Medium, Urgency, ValueTier
from services.audit.domain.reporting import wording
from services.audit.domain.reporting.forms import RECORD_COLUMNS, REVISIT_COLUMNS
from services.audit.domain.reporting.refunds import COLUMNS as REFUND_COLUMNS

SERVICES = Path(__file__).parents[3] / "services"
TIMELINE_WORDS = SERVICES / "audit" / "policy" / "words.v1.yaml"
CUSTOMERS_TEXTS = SERVICES / "feedback_survey" / "policy" / "texts.v1.yaml"

OF_A_COLUMN: Mapping[tuple[str, str], Iterable[str]] = {
    ("records", "customer_class"): CustomerClass,
    ("records", "value_tier"): ValueTier,
    ("records", "urgency"): Urgency,
    ("records", "decision"): Decision,
    ("records", "outcome"): (*Outcome, "merged"),
    ("revisits", "value_tier"): ValueTier,
    ("revisits", "kind"): ("survey", "visit"),
    ("revisits", "by"): Medium,
    ("revisits", "outcome"): SurveyOutcome,
    ("refunds", "category"): Category,
    ("refunds", "basis"): Basis,
    ("refunds", "under"): GrantedUnder,
    ("refunds", "role"): ("team", "desk", "headquarters"),
}
"""What each column of the forms can hold: the codes of the contracts, and what the form adds."""

COLUMNS = {"records": RECORD_COLUMNS, "revisits": REVISIT_COLUMNS, "refunds": REFUND_COLUMNS}


@pytest.mark.parametrize(("form", "name"), OF_A_COLUMN, ids=map("-".join, OF_A_COLUMN))
def test_each_code_has_its_words(form: str, name: str) -> None:
    (column,) = (one for one in COLUMNS[form] if one.name == name)
    words = [column.words[str(code)] for code in OF_A_COLUMN[form, name]]
    assert all(re.fullmatch(r"[\u4e00-\u9fff0-9()]+ [ -~]+", one) for one in words), words
    assert len(set(words)) == len(words), "two codes of one column read alike"


def test_what_a_cycle_ended_with_reads_as_its_column_in_the_satisfaction_report() -> None:
    assert wording.SURVEY_OUTCOMES["no_answer"] == "未回复 no answer"
    assert wording.SURVEY_OUTCOMES["unreachable"] == "无法联系 unreachable"


@pytest.mark.parametrize("decision", Decision)
def test_a_decision_has_one_name_for_managers_auditors_and_customers(decision: Decision) -> None:
    chinese, english = wording.DECISION_NAMES[decision]
    told = yaml.safe_load(TIMELINE_WORDS.read_text("utf-8"))["values"][decision.value]
    assert told == {"zh": chinese, "en": english}
    written = yaml.safe_load(CUSTOMERS_TEXTS.read_text("utf-8"))["content"]["words"]
    assert written["decision"][decision.value]["zh"] == f"投诉{chinese}"
