"""The AsyncAPI document, by the format's own parser where Node is, and always by its structure."""

import fcntl
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from faststream.specification.asyncapi.v3_0_0.schema import ApplicationSchema
from jsonschema import Draft7Validator  # type: ignore[import-untyped]

from contracts.catalogue import CATALOGUE, DECODE
from contracts.generate import GENERATED, ROOT
from tests.contracts.golden import sample_path

HERE = Path(__file__).parent / "asyncapi"
PARSER = ROOT / ".cache" / "asyncapi-parser"
DOCUMENT = ROOT / GENERATED / "asyncapi.json"
INSTALL_SECONDS_MAX = 180
WARNING = 1  # the parser's severities: 0 error, 1 warning, 2 information


def document() -> Any:
    return json.loads(DOCUMENT.read_text("utf-8"))


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        for key, value in part.items():
            if key == "$ref" and isinstance(value, str):
                yield value
            else:
                yield from references(value)
    elif isinstance(part, list):
        for one in part:
            yield from references(one)


def resolve(whole: Any, reference: str) -> Any:
    part = whole
    for step in reference.removeprefix("#/").split("/"):
        part = part[step]
    return part


def parser_folder() -> Path:
    """The parser, installed once as the lock says; skips with the reason where that cannot be."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("Node and npm are not here: the AsyncAPI parser cannot run")
    PARSER.mkdir(parents=True, exist_ok=True)
    with (PARSER / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = (HERE / "package-lock.json").read_bytes()
        done = PARSER / ".installed"
        if done.exists() and done.read_bytes() == wanted:
            return PARSER
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, PARSER / name)
        said = subprocess.run(
            ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
            cwd=PARSER,
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS_MAX,
            check=False,
        )
        if said.returncode:
            pytest.skip(f"the AsyncAPI parser could not be installed: {said.stderr[-300:]}")
        done.write_bytes(wanted)
    return PARSER


def parsed(path: Path) -> Any:
    said = subprocess.run(
        ["node", str(HERE / "validate.mjs"), str(path), str(parser_folder())],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return json.loads(said.stdout)


def test_the_formats_own_parser_finds_nothing_wrong() -> None:
    said = parsed(DOCUMENT)
    assert said["parsed"]
    assert not [one for one in said["diagnostics"] if one["severity"] <= WARNING]
    assert said["channels"] == 3
    assert said["operations"] == len(document()["operations"])


def test_the_formats_own_parser_finds_what_is_wrong(tmp_path: Path) -> None:
    broken = document()
    broken["channels"]["complaints.log"]["adress"] = "a slip of the pen"
    path = tmp_path / "asyncapi.json"
    path.write_text(json.dumps(broken))
    said = parsed(path)
    assert not said["parsed"]
    assert any("adress" in one["message"] for one in said["diagnostics"])


def test_the_document_has_the_structure_of_asyncapi_3() -> None:
    told = ApplicationSchema.model_validate(document())
    assert told.asyncapi == "3.0.0"
    assert set(told.channels) == {"complaints.channel", "complaints.log", "complaints.outbound"}


def test_every_reference_leads_somewhere_within_the_document() -> None:
    whole = document()
    found = set(references(whole))
    assert found
    for reference in found:
        assert reference.startswith("#/")
        assert resolve(whole, reference) is not None


def test_every_message_is_on_a_channel_and_every_schema_is_used() -> None:
    whole = document()
    told = {
        reference.rpartition("/")[2]
        for channel in whole["channels"].values()
        for reference in references(channel["messages"])
    }
    assert told == set(whole["components"]["messages"]) == {*DECODE, "channel.message.v1"}
    used = {one.rpartition("/")[2] for one in references(whole) if "/schemas/" in one}
    assert used == set(whole["components"]["schemas"])


@pytest.mark.parametrize("service", ["intake", "routing", "sla_watch", "escalation", "audit"])
def test_an_operation_tells_and_hears_what_the_catalogue_says(service: str) -> None:
    operations = document()["operations"]

    def messages(name: str) -> set[str]:
        return {one["$ref"].rpartition("/")[2] for one in operations[name]["messages"]}

    assert messages(f"{service}.tell") == {
        entry.event.type for entry in CATALOGUE if service in entry.writers
    }
    hears = {entry.event.type for entry in CATALOGUE if service in entry.reactions}
    everything = {entry.event.type for entry in CATALOGUE}
    assert messages(f"{service}.hear") == (everything if service == "audit" else hears)


def test_a_messages_payload_accepts_the_golden_sample() -> None:
    whole = document()
    for name, message in whole["components"]["messages"].items():
        schema = {**message["payload"], "components": whole["components"]}
        Draft7Validator(schema).validate(json.loads(sample_path(name).read_text("utf-8")))


def test_the_headers_of_the_log_are_those_that_the_relay_writes() -> None:
    from libs.messaging.position import Position, RelayHeaders

    position, after = Position(1, 8813), Position(1, 8810)
    for entry in CATALOGUE:
        headers = RelayHeaders(
            entry.event.type, f"/bihuan/{entry.writers[0]}", position, after
        ).raw()
        schema = document_headers(entry.event.type)
        told = {name: value.decode() for name, value in headers}
        Draft7Validator(schema).validate(told)
        assert set(schema["required"]) == set(told)


def document_headers(event_type: str) -> Any:
    return _MESSAGES[event_type]["headers"]


_MESSAGES = document()["components"]["messages"]


def test_no_machine_is_named_in_the_lock_of_the_parser() -> None:
    lock = (HERE / "package-lock.json").read_text("utf-8")
    assert not re.search(r"https?://|\"resolved\"", lock)
    packages = json.loads(lock)["packages"]
    assert all("integrity" in one for name, one in packages.items() if name)
