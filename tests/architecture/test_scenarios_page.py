"""docs/scenarios.md names tests that exist, and every race and pain point that is tested."""

import re

from tests.architecture.source import ROOT, defined_in

PAGE = (ROOT / "docs/scenarios.md").read_text(encoding="utf-8")
NAMED = set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE))
RACES = 17
"""EVENTS, Races, and who wins."""
PAIN_POINTS = 12
"""DOMAIN, what users of other systems complain about most."""


def rows_of(section: str) -> list[list[str]]:
    """The cells of a section's table, without its head."""
    text = PAGE.partition(f"## {section}\n")[2].partition("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_every_test_it_names_exists() -> None:
    assert NAMED
    assert {(path, name) for path, name in NAMED if name not in defined_in(path)} == set()


def test_every_row_names_a_test() -> None:
    rows = rows_of("Scenarios") + rows_of("Races") + rows_of("Pain points of other systems")
    assert [row for row in rows if "::test_" not in row[-1]] == []


def test_every_race_and_pain_point_has_its_row() -> None:
    assert {int(row[0]) for row in rows_of("Races")} == set(range(1, RACES + 1))
    assert len(rows_of("Pain points of other systems")) == PAIN_POINTS


def test_no_scene_of_the_whole_system_is_left_out() -> None:
    played = (*(ROOT / "tests/e2e").glob("test_s[0-9]_*.py"),)
    pages = [
        *played,
        *(ROOT / "tests/e2e" / f"test_{name}.py" for name in ("races", "pain_points")),
    ]
    paths = [path.relative_to(ROOT).as_posix() for path in pages]
    there = {(path, name) for path in paths for name in defined_in(path)}
    assert {one for one in there if one[1].startswith("test_")} - NAMED == set()
