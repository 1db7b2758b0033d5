"""`bihuan send` on a file with every oddity: each row ends once, and the exit code says how."""

import asyncio
import csv
import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from cli.client import Client
from cli.mapping import load_mapping
from cli.player import message_of, to_bytes
from cli.send import Pace, opened_for, reach_of, send_rows
from tests.e2e.commands import bihuan_process
from tests.e2e.world import SHANGHAI, World, play

MAPPING = """
name: halls
source: file/halls
id: {column: no}
subscriber: {column: who}
text: {columns: [words]}
channel: {column: via, values: {phone: hotline_10010, net: web}}
"""
ROWS = [
    ("1", "13800000001", "家里宽带断网三天了", "phone"),
    ("2", "13800000001", "宽带断网，催一下", "net"),
    ("3", "", "Nobody answers", "net"),
    ("1", "13800000003", "话费不对", "net"),
    ("4", "13800000004", " \t\n ", "net"),
    ("5", "13800000005", "乱扣费", "pigeon"),
    ("6", "13800000006", "没信号" * 22_000, "net"),
    ("7", "13800000001", "\n\n\t宽带还是\u200b断网\x00 ", "phone"),
]
TOLD = {"kind": "words", "channel": "web", "text": "hello"}
ENDS = {
    "rows": 8,
    "complaints": 2,
    "linked": 2,
    "refused": [
        {"row": 4, "reason": "it repeats the id of row 1"},
        {"row": 5, "reason": "no words in 'words'"},
        {"row": 6, "reason": "column 'via' says a channel that the mapping does not know"},
        {"row": 7, "reason": "its words are longer than 65536 bytes"},
    ],
}


async def bihuan(world: World, *words: str) -> tuple[int, str, str]:
    """The command as a person types it: exit code, standard output, standard error.

    It stamps with the real clock, so the world's is brought up to it first.
    """
    await world.stepper.run_until(datetime.now(SHANGHAI))
    return await bihuan_process(world.system.places.data, *words)


async def sent(world: World, *words: str, verb: str = "send") -> tuple[int, dict[str, Any]]:
    """`bihuan send … --json`: exit code and the one document on standard output."""
    code, out, err = await bihuan(world, verb, *words, "--json")
    assert out, err
    document: dict[str, Any] = json.loads(out)
    return code, document


def now() -> str:
    return datetime.now(SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")


def write(folder: Path, rows: Sequence[Sequence[str]]) -> tuple[str, str]:
    file, mapping = folder / "halls.csv", folder / "halls.yaml"
    with file.open("w", encoding="utf-8", newline="") as text:
        csv.writer(text).writerows([("no", "who", "words", "via"), *rows])
    mapping.write_text(MAPPING, encoding="utf-8")
    return str(file), str(mapping)


async def but_tokens(world: World) -> list[Any]:
    """The log without the command line's own token, which is a new one every ten minutes."""
    return [event for event in await world.log() if event.type != "token.issued.v1"]


def test_every_odd_row_ends_once_and_sending_again_adds_nothing(tmp_path: Path) -> None:
    file, mapping = write(tmp_path, ROWS)

    async def scene(world: World) -> None:
        assert await sent(world, file, "--mapping", mapping) == (1, ENDS)
        await world.settle()
        events = len(await but_tokens(world))
        assert await sent(world, file, "--mapping", mapping) == (1, ENDS)
        await world.settle()
        assert len(await but_tokens(world)) == events

        code, out, _ = await bihuan(world, "send", file, "--mapping", mapping, "--limit", "3")
        assert code == 0
        assert "3 rows: 1 complaints" not in out
        assert "3 of them had been sent before" in out

    play(tmp_path / "data", now(), scene, services=("intake",))


def test_rows_without_an_outcome_are_never_counted_as_taken(tmp_path: Path) -> None:
    file, mapping = write(tmp_path, ROWS[:3])

    async def scene(world: World) -> None:
        await world.system.apps.pop("intake").stop()
        with Client(world.system.places, actor="channel:test", roles=("channel",)) as client:
            reach = reach_of(client, world.system.places)
            halls, pace = load_mapping(mapping), Pace(patience_s=3.0)
            with opened_for(halls, Path(file)) as opened:
                told = await send_rows(opened, halls, reach, now=world.clock.now, pace=pace)
        document = told.told()
        assert [one["row"] for one in document.pop("unaccounted")] == [1, 2, 3]
        stopped = document.pop("stopped")
        assert stopped.startswith("nothing came back for 3 s (intake does not answer")
        assert document == {"rows": 3, "complaints": 0, "linked": 0, "refused": []}
        assert not told.all_well

    play(tmp_path / "data", now(), scene, services=("intake",))


def test_what_intake_refused_before_is_refused_again_with_the_same_reason(tmp_path: Path) -> None:
    file, mapping = write(tmp_path, ROWS[:1])

    async def scene(world: World) -> None:
        unmarked = to_bytes(message_of("file/halls", "1", world.clock.now(), **TOLD))
        await world.player.publish(unmarked.replace(b'"web"', b'"pigeon"'), "1")
        await world.settle()
        code, told = await sent(world, file, "--mapping", mapping)
        assert code == 1
        assert (told["rows"], told["complaints"], told["linked"]) == (1, 0, 0)
        assert [one["row"] for one in told["refused"]] == [1]
        assert told["refused"][0]["reason"].startswith("malformed: data.channel is not one of")

        with Client(world.system.places, actor="channel:test", roles=("channel",)) as client:
            ask = reach_of(client, world.system.places).ask
            first, second = await asyncio.to_thread(ask, "file/halls", ["1", "never sent"])
        assert first is not None
        assert (first["outcome"], first["rule"]) == ("refused", "malformed")
        assert second is None

    play(tmp_path / "data", now(), scene, services=("intake",))
