"""docs/policies.md: who follows its steps gets a sound file; one forgotten step is told."""

import re
from pathlib import Path

from cli.policy_check import owners
from libs.web.access import SHIPPED
from tests.unit.cli.test_policy_check import CLOCKS, SEEDS, bihuan

PAGE = Path(__file__).parents[3] / "docs" / "policies.md"
TITLE = 'title: {zh: 宽带修障(青海郊县), en: "Broadband repair, rural Qinghai"}'
ROW = "  - code: repair.broadband.rural\n"
DISTRICTS = "        districts: [rural]\n"


def followed(folder: Path, *, leaving_out: str = "") -> Path:
    """Steps 1 to 3, word by word as the page has them."""
    page = PAGE.read_text(encoding="utf-8")

    def step(words: str) -> str:
        assert f"`{words}`" in page, f"the page does not say {words}"
        return "" if words == leaving_out else words

    text = CLOCKS.read_text(encoding="utf-8")
    text = text.replace('version: "1"', step('version: "2"'))
    text = text.replace('effective_from: "2004-01-01"', step('effective_from: "2026-12-07"'))
    before, after = text.split(ROW)
    row, rest = after.split("\n\n", 1)
    head, tail = row.split(DISTRICTS, 1)
    spared = step("except_provinces: [qinghai]")
    old = f"{ROW}{head}{DISTRICTS}{f'        {spared}' if spared else ''}\n{tail}"
    own = f"  - {step('code: repair.broadband.rural.qinghai')}\n{head}"
    own = own.replace("limit: 36 hours", step("limit: 30 hours"))
    own = re.sub(r"title: .*", lambda old: step(TITLE) or old[0], own, count=1)
    own += f"{DISTRICTS}        {step('provinces: [qinghai]')}\n{tail}"
    path = folder / "clocks.v2.yaml"
    path.write_text(f"{before}{old}\n\n{own}\n\n{rest}", encoding="utf-8")
    return path


def test_who_follows_the_page_gets_a_sound_version(tmp_path: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert "`bihuan policy check clocks.v2.yaml`" in page
    assert "`bihuan policy diff clocks clocks.v2.yaml`" in page
    path = followed(tmp_path)
    assert bihuan("check", path).exit_code == 0, bihuan("check", path).stderr
    shown = bihuan("diff", "clocks", path)
    assert "clocks[repair.broadband.rural.qinghai]" in shown.stdout


def test_the_forgotten_exception_is_told(tmp_path: Path) -> None:
    path = followed(tmp_path, leaving_out="except_provinces: [qinghai]")
    assert "overlap" in bihuan("check", path).stderr


def test_the_forgotten_title_is_told(tmp_path: Path) -> None:
    path = followed(tmp_path, leaving_out=TITLE)
    assert (
        "has the title of repair.broadband.rural, '宽带修障(郊县)'" in bihuan("check", path).stderr
    )


def test_the_page_names_every_policy_and_its_file() -> None:
    rows = [
        [cell.strip(" `") for cell in line.split("|")[1:-1]]
        for line in PAGE.read_text(encoding="utf-8").splitlines()
        if line.startswith("| `") and ".v1.yaml" in line
    ]
    assert {row[0] for row in rows} == set(owners())
    root = PAGE.parents[1]
    files = {seed.relative_to(root).as_posix() for seed in (*SEEDS, SHIPPED)}
    assert {row[2] for row in rows} == files
