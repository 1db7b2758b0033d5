"""`bihuan demo` as CI runs it: without a terminal, on whatever broker there is, to its end."""

import asyncio
import json
from pathlib import Path

from tests.e2e.commands import bihuan_process

PEOPLE = "10"


def test_everything_the_demo_claims_happens_and_up_is_left_alone(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "kept").write_text("state of `up`")
    (tmp_path / "data-demo").mkdir()
    (tmp_path / "data-demo" / "old").write_text("of an earlier run")

    code, out, err = asyncio.run(bihuan_process(data, "demo", "--people", PEOPLE, "--json"))
    assert code == 0, err
    told = json.loads(out)
    assert [claim["text"] for claim in told["claims"] if not claim["held"]] == []
    assert told["all_held"]
    assert len(told["claims"]) == 17
    instants = {claim["text"]: claim["at"] for claim in told["claims"]}
    broke = "the repair promise broke once, at exactly 10:00:00.000000"
    assert instants[broke] == "2025-10-10T02:00:00+00:00"
    (sealed, fault) = sorted(told["faults"], key=lambda one: str(one["kind"]) == "changed")
    assert (sealed["kind"], sealed["source"]) == ("checkpoint", "/bihuan/audit")
    assert (fault["kind"], fault["source"]) == ("changed", "/bihuan/routing")
    assert told["floor"]["told"] >= 11
    assert (data / "kept").read_text() == "state of `up`"
    assert list(data.iterdir()) == [data / "kept"]
    assert not (tmp_path / "data-demo" / "old").exists()


def test_a_pipe_gets_plain_lines(tmp_path: Path) -> None:
    code, out, _ = asyncio.run(
        bihuan_process(tmp_path / "data", "demo", "--people", "0", "--broker", "memory")
    )
    assert code == 0
    assert "\x1b" not in out
    for said in (
        "in memory: Java or Maven is missing",
        "✓ satisfied: closed at exactly 11:30:00, not before",
        "17 of 17 claims held",
    ):
        assert said in out
