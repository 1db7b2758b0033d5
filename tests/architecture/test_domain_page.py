"""docs/domain.md names entries, code and tests that exist, and leaves out no rule and no clock."""

import re
from typing import Any

import pytest
import yaml

from contracts.categories import Category
from tests.architecture.source import ROOT, defined_in

PAGE = (ROOT / "docs/domain.md").read_text(encoding="utf-8")
NAMED = set(re.findall(r"`([\w/]+\.py)::(\w+)`", PAGE))
ENTRIES = set(re.findall(r"`([\w/.]+\.yaml)#([\w.-]+)`", PAGE))
RULES = 13
CONVENTIONS = 12
PAIN_POINTS = 12
OPEN = "**open**: "
"""Before what is missing yet."""
DOMAIN = ROOT.parent / "shared/DOMAIN.md"
where_the_domain_is = pytest.mark.skipif(
    not DOMAIN.is_file(),
    reason="the rules' own page is no part of the project; put it at ../shared/DOMAIN.md",
)


def has_entry(node: Any, entry: str) -> bool:
    """Whether a policy has an entry: keys from outside in; in a list, an item's code or id."""
    if isinstance(node, list):
        node = {name: one for one in node if (name := one.get("code") or one.get("id"))}
    if not isinstance(node, dict):
        return False
    # Codes have dots of their own: `clocks.legal.answer` is `legal.answer` in `clocks`.
    return entry in node or any(
        has_entry(below, entry.removeprefix(f"{key}."))
        for key, below in node.items()
        if entry.startswith(f"{key}.")
    )


def rows_of(section: str) -> list[list[str]]:
    """The cells of a section's table, without its head."""
    text = PAGE.partition(f"## {section}\n")[2].partition("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def all_rows() -> list[list[str]]:
    """The rows of every table of the page."""
    return [row for section in re.findall(r"^## (.+)$", PAGE, re.M) for row in rows_of(section)]


def test_every_function_class_and_test_it_names_exists() -> None:
    assert NAMED
    assert {(path, name) for path, name in NAMED if name not in defined_in(path)} == set()


def test_every_policy_entry_it_names_exists() -> None:
    assert ENTRIES
    paths = {path for path, _ in ENTRIES}
    policies = {path: yaml.safe_load((ROOT / path).read_text("utf-8")) for path in paths}
    assert {one for one in ENTRIES if not has_entry(policies[one[0]], one[1])} == set()


def test_every_row_names_a_test_or_says_what_is_missing() -> None:
    assert [row for row in all_rows() if "::test_" not in row[3] and OPEN not in row[3]] == []


def test_every_rule_convention_and_pain_point_has_its_row() -> None:
    assert {row[0] for row in rows_of("Rules")} == {str(n) for n in range(1, RULES + 1)}
    conventions = {row[0] for row in rows_of("Counting conventions")}
    assert conventions >= {str(n) for n in range(1, CONVENTIONS + 1)}
    assert len(rows_of("Pain points of other systems")) == PAIN_POINTS


@where_the_domain_is
def test_no_rule_or_convention_of_the_domain_is_left_out() -> None:
    domain = DOMAIN.read_text("utf-8")
    rules = re.findall(r"^(\d+)\. ", domain.partition("## Rules")[2].partition("\n## ")[0], re.M)
    conventions = re.findall(r"^(\d+)\. ", domain.partition("How they count")[2], re.M)
    assert rules
    assert conventions
    assert set(rules) - {row[0] for row in rows_of("Rules")} == set()
    assert set(conventions) - {row[0] for row in rows_of("Counting conventions")} == set()


@where_the_domain_is
def test_no_clock_of_the_domains_table_is_left_out() -> None:
    domain = DOMAIN.read_text("utf-8").partition("| clock | for | limit ")[2].partition("\n\n")[0]
    clocks = {line.split("|")[1].strip() for line in domain.splitlines()[2:]}
    assert "legal answer" in clocks
    rows = rows_of("Clocks")
    assert {one for one in clocks if not any(row[1].startswith(one) for row in rows)} == set()


def test_every_clock_of_the_policy_has_its_row() -> None:
    policy = ROOT / "services/sla_watch/policy/clocks.v1.yaml"
    clocks = yaml.safe_load(policy.read_text("utf-8"))["clocks"]
    assert [row[0] for row in rows_of("Clocks")] == [clock["code"] for clock in clocks]


def test_every_category_is_there() -> None:
    listed = PAGE.partition("## Categories\n")[2]
    assert {one for one in Category if f"`{one}`" not in listed} == set()
