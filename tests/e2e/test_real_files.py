"""Both real files go through the system: the numbers add up, nothing is lost or doubled.

What is expected is counted here from the files themselves, not by the code that sends them. Intake,
routing and audit run: who takes words, who works on them, who keeps every byte. The three others
only add time to a minute's test.
"""

import csv
import json
import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import openpyxl
import pytest

from cli.crowd import figures
from contracts.values import Category, ChannelKind, Language
from services.intake.domain.classification import classify
from tests.e2e.test_send import now, sent
from tests.e2e.world import World, play, read_log
from tests.unit.intake.test_classification import RULES

DATA = Path(__file__).parents[3] / "shared" / "data"
COMCAST = DATA / "comcast_complaints_2015.csv"
HOTLINE = DATA / "hotline_messages_with_replies.xlsx"

pytestmark = pytest.mark.skipif(
    not (COMCAST.is_file() and HOTLINE.is_file()),
    reason="the public files that this runs on are no part of the project; put them in "
    "../shared/data",
)

COMCAST_ROWS = 2224
HOTLINE_ROWS = 2816
COMPLAINTS = UUID("0e2f5c2b-53c1-5c0e-8f6e-6a3a6f2c9d11")
"""DESIGN, The event: a complaint's id is the UUIDv5 of channel source and message id."""


def comcast_ids() -> list[str]:
    """Read as plain lines: the file has no cell with a newline, and its ids come first."""
    lines = COMCAST.read_text(encoding="utf-8-sig").splitlines()
    return [line.partition(",")[0] for line in lines[1:]]


def hotline_rows() -> list[tuple[str, str, str]]:
    """Number, masked name, and subject with words, as openpyxl's ordinary reader has them."""
    sheet = openpyxl.load_workbook(HOTLINE).worksheets[0]
    found = []
    for cells in sheet.iter_rows(min_row=2, values_only=True):
        number, name, subject, _, words = cells[:5]
        found.append((str(number), str(name), re.sub(r"\s+", " ", f"{subject} {words}")))
    return found


def links_expected(rows: list[tuple[str, str, str]]) -> int:
    """DOMAIN rule 2: the same subscriber and category again, all being said within a minute."""
    seen: Counter[tuple[str, Category]] = Counter()
    for _, name, text in rows:
        category = classify(text, Language.ZH, RULES).category
        if category is not Category.UNCLASSIFIED:
            seen[name, category] += 1
    return sum(times - 1 for times in seen.values())


def contact_ids(source: str, ids: list[str]) -> set[str]:
    return {str(uuid5(COMPLAINTS, f"{source} {one}")) for one in ids}


def test_the_files_are_those_that_the_figures_were_measured_on() -> None:
    with COMCAST.open(encoding="utf-8-sig", newline="") as text:
        assert sum(1 for _ in csv.DictReader(text)) == COMCAST_ROWS
    assert len(set(comcast_ids())) == COMCAST_ROWS
    assert len({number for number, _, _ in hotline_rows()}) == HOTLINE_ROWS


def test_the_crowds_figures_are_those_of_the_files() -> None:
    told = figures()
    with COMCAST.open(encoding="utf-8-sig", newline="") as text:
        comcast = list(csv.DictReader(text))
    sheet = openpyxl.load_workbook(HOTLINE).worksheets[0]
    instants = [str(cells[3]) for cells in sheet.iter_rows(min_row=2, values_only=True)]
    hours = Counter(int(one.split(" ")[1].split(":")[0]) for one in instants)
    for row in comcast:
        clock, half = row["Time"].split(" ")
        hours[int(clock.split(":")[0]) % 12 + (12 if half == "PM" else 0)] += 1
    assert told.hours == tuple(hours[hour] for hour in range(24))

    calls = sum(row["Received Via"] == "Customer Care Call" for row in comcast)
    assert told.channels[ChannelKind.HOTLINE_10010] == calls
    assert sum(told.channels.values()) == COMCAST_ROWS
    assert told.languages == {Language.EN: COMCAST_ROWS, Language.ZH: HOTLINE_ROWS}
    assert told.anonymous == (COMCAST_ROWS, COMCAST_ROWS + HOTLINE_ROWS)
    others = sum(row["Filing on Behalf of Someone"] == "Yes" for row in comcast)
    assert told.representative == (others, COMCAST_ROWS)
    people = {name for _, name, _ in hotline_rows()}
    assert told.again == (HOTLINE_ROWS - len(people), HOTLINE_ROWS)

    words = [row["Customer Complaint"] for row in comcast]
    placed = Counter(classify(one, Language.EN, RULES).category for one in words)
    for category, times in told.categories.items():
        if category.value.split(".")[0] not in ("mobile", "fixed_line", "value_added"):
            # A change of the rules moves some; a crowd that is far off must be measured anew.
            assert times == pytest.approx(placed[category], abs=COMCAST_ROWS * 0.03), category


def test_no_sentence_of_the_crowd_is_a_customers() -> None:
    with COMCAST.open(encoding="utf-8-sig", newline="") as text:
        said = {row["Customer Complaint"].casefold() for row in csv.DictReader(text)}
    chinese = "".join(text for _, _, text in hotline_rows())
    for languages in figures().words.values():
        assert not said & {one.casefold() for one in languages[Language.EN]}
        assert not [one for one in languages[Language.ZH] if len(one) > 5 and one in chinese]


def test_every_row_ends_once_and_sending_again_adds_nothing(tmp_path: Path) -> None:
    rows = hotline_rows()
    linked = links_expected(rows)
    assert linked > 0
    comcast = {"rows": COMCAST_ROWS, "complaints": COMCAST_ROWS, "linked": 0, "refused": []}
    hotline = {
        "rows": HOTLINE_ROWS,
        "complaints": HOTLINE_ROWS - linked,
        "linked": linked,
        "refused": [],
    }

    async def scene(world: World) -> None:
        assert await sent(world, str(COMCAST), "--mapping", "comcast") == (0, comcast)
        assert await sent(world, str(HOTLINE), "--mapping", "hotline") == (0, hotline)
        await world.stepper.settle()
        log = [json.loads(value) for value in await read_log(world.system)]
        assert_each_message_once(log, rows)
        assert_streams_are_whole(log)
        assert stored(world) == Counter(event["source"] for event in log)

        assert await sent(world, str(COMCAST), "--mapping", "comcast") == (0, comcast)
        assert await sent(world, str(HOTLINE), "--mapping", "hotline") == (0, hotline)
        await world.stepper.settle()
        again = [json.loads(value) for value in await read_log(world.system)]
        assert len(but_tokens(again)) == len(but_tokens(log))

    play(tmp_path, now(), scene, services=("intake", "routing", "audit"))


def assert_each_message_once(log: list[dict[str, Any]], rows: list[tuple[str, str, str]]) -> None:
    """The contacts on record are those of the files' own ids, each once and nothing else."""
    told = []
    for event in log:
        if event["type"] == "complaint.registered.v1":
            told.append(event["data"]["registration"]["contact"]["id"])
        elif event["type"] == "complaint.contact_linked.v1":
            told.append(event["data"]["contact"]["id"])
    expected = contact_ids("file/comcast-2015", comcast_ids())
    expected |= contact_ids("file/hotline-messages", [number for number, _, _ in rows])
    assert len(told) == len(expected) == COMCAST_ROWS + HOTLINE_ROWS
    assert set(told) == expected


def assert_streams_are_whole(log: list[dict[str, Any]]) -> None:
    """No event of any stream of any service is missing, doubled or out of order."""
    streams: dict[tuple[str, str], list[int]] = defaultdict(list)
    for event in log:
        streams[event["source"], event["subject"]].append(int(event["sequence"]))
    for stream, sequences in streams.items():
        assert sequences == list(range(1, len(sequences) + 1)), stream


def but_tokens(log: list[Any]) -> list[Any]:
    """The log without the command line's own token, which is a new one every ten minutes."""
    return [event for event in log if event["type"] != "token.issued.v1"]


def stored(world: World) -> Counter[str]:
    """How many events each service has in its own store."""
    counts: Counter[str] = Counter()
    for name, app in world.system.apps.items():
        with app.store.connection() as conn:
            table = app.store.recorder.events_table_name
            row = conn.execute(f"SELECT count(*) AS events FROM {table}").fetchone()
        assert row is not None
        counts[f"/bihuan/{name}"] = row["events"]
    return +counts
