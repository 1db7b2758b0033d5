"""The demo's screen fits its terminal at any size, and a claim that did not happen is seen."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console
from typer.testing import CliRunner

from cli.demo import command
from cli.demo.command import Played
from cli.demo.crowding import Glance
from cli.demo.screen import Lines, Wall
from cli.demo.story import START, STORY, Claim
from cli.main import app

GLANCE = Glance(START, told=86, closed=55, met=346, breached=20, desk=3, events=1900)
HELD, NOT_HELD = Claim(START, "so it was", held=True), Claim(START, "it was not so", held=False)


def console(width: int, height: int) -> Console:
    return Console(width=width, height=height, file=io.StringIO(), record=True, force_terminal=True)


def text_of(told: Console) -> str:
    return told.export_text()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 30), (120, 40)])
def test_the_live_screen_never_outgrows_its_terminal(width: int, height: int) -> None:
    told = console(width, height)
    wall = Wall(told, seconds=iter([0.0, 2.0]).__next__)
    wall.glanced(GLANCE)
    wall.glanced(replace(GLANCE, events=2900, loads=[("mobile-care", n) for n in range(6)]))
    long = Claim(START, "a claim as long as the longest of the story, " * 3, held=True)
    for beat in STORY:
        wall.begins(beat)
        wall.claimed(beat, [long, NOT_HELD])
    lines = told.render_lines(wall.render(), pad=False)
    assert len(lines) <= height
    wall.close()
    whole = "\n".join(
        "".join(segment.text for segment in line)
        for line in told.render_lines(wall.render(whole=True), pad=False)
    )
    assert "500 events/s" in whole
    assert whole.count("it was not so") == len(STORY)
    assert max(cell_len(line) for line in whole.splitlines()) <= width


def test_closing_twice_shows_the_story_once() -> None:
    told = console(120, 40)
    wall = Wall(told)
    wall.begins(STORY[0])
    wall.close()
    text_of(told)  # takes what was printed so far
    wall.close()
    assert text_of(told) == ""


def test_a_pipe_gets_a_line_for_each_step_and_claim() -> None:
    told = console(200, 40)
    lines = Lines(told)
    lines.begins(STORY[5])
    lines.claimed(STORY[5], [HELD, NOT_HELD])
    assert text_of(told).splitlines() == [
        "Fri 10-10 10:00:00  The promise lapses",
        "    ✓ so it was",
        "    ✗ it was not so",
    ]


@pytest.mark.parametrize(
    ("claims", "all_held"), [([HELD], True), ([HELD, NOT_HELD], False), ([], False)]
)
def test_all_held_only_when_something_was_claimed_and_all_of_it_happened(
    claims: list[Claim], all_held: bool
) -> None:
    assert Played(claims=claims).all_held is all_held


@pytest.mark.parametrize(("claim", "code"), [(HELD, 0), (NOT_HELD, 1)])
def test_a_claim_that_did_not_happen_ends_the_command_with_1(
    claim: Claim, code: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def played(told: Played, *_: object) -> bool:
        told.claims = [claim]
        return True

    monkeypatch.setattr(command, "_unless_stopped", played)
    ran = CliRunner().invoke(app, ["demo", "--json"], env={"BIHUAN_DATA": str(tmp_path / "data")})
    assert ran.exit_code == code
    assert json.loads(ran.stdout)["all_held"] is claim.held


def test_a_broker_that_is_none_is_a_wrong_use() -> None:
    ran = CliRunner().invoke(app, ["demo", "--broker", "pigeon"])
    assert ran.exit_code == 2
    assert "auto, kafka or memory" in ran.stderr
