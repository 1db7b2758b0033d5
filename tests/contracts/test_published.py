"""The gate: a published event version never changes and never goes away."""

import json
from pathlib import Path

import pytest

from contracts import published
from contracts.catalogue import CATALOGUE, DECODE, RETIRED
from contracts.json_schema import Json, all_schemas
from contracts.published import (
    FOLDER,
    LOCK,
    PublishedChanged,
    faults,
    publish,
    read_lock,
    released,
    unpublished,
)
from contracts.upcasters import split
from tests.contracts.git import content_at

ANEW = "python -m contracts.published --anew"


def test_no_published_version_changed_or_vanished() -> None:
    hint = "" if released() else f" (nothing is released yet: `{ANEW}` starts afresh)"
    assert not faults(all_schemas(), FOLDER), hint


def test_every_version_in_use_is_published() -> None:
    assert not unpublished(all_schemas(), FOLDER), "run `python -m contracts.published`"


def test_the_lock_of_a_release_is_still_in_the_lock() -> None:
    tag = released()
    if not tag:
        return  # nothing has been released, so nothing is promised yet
    then = content_at(tag, f"contracts/published/{LOCK}").decode().splitlines()
    assert set(then) <= set((FOLDER / LOCK).read_text("utf-8").splitlines())


def test_a_retired_version_is_followed_by_one_that_is_still_written() -> None:
    newest = {split(entry.event.type)[0]: split(entry.event.type)[1] for entry in CATALOGUE}
    for entry in RETIRED:
        name, version = split(entry.event.type)
        assert version < newest[name]


def test_versions_of_an_event_have_no_gap() -> None:
    for event_type in DECODE:
        name, version = split(event_type)
        assert all(f"{name}.v{older}" in DECODE for older in range(1, version))


# --- the gate itself, on a catalogue of its own ---------------------------------------------

V1: Json = {
    "title": "thing.done.v1",
    "description": "A thing was done.",
    "type": "object",
    "properties": {"description": {"type": "string", "description": "What."}},
    "required": ["description"],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    assert publish({"thing.done.v1": V1}, tmp_path) == ["thing.done.v1"]
    return tmp_path


def changed(**parts: object) -> dict[str, Json]:
    return {"thing.done.v1": {**V1, **parts}}


def test_publishing_twice_is_publishing_once(folder: Path) -> None:
    before = (folder / LOCK).read_bytes()
    assert publish({"thing.done.v1": V1}, folder) == []
    assert (folder / LOCK).read_bytes() == before


def test_words_may_be_put_better(folder: Path) -> None:
    assert not faults(changed(description="Somebody did a thing.", title="x"), folder)


@pytest.mark.parametrize(
    "parts",
    [
        {"properties": {"description": {"type": "integer"}}},
        {"properties": {**V1["properties"], "more": {"type": "string"}}},
        {"properties": {}},
        {"required": []},
        {"additionalProperties": False},
    ],
    ids=["type", "added", "removed", "optional", "closed"],
)
def test_structure_may_not_change(folder: Path, parts: Json) -> None:
    (fault,) = faults(changed(**parts), folder)
    assert fault.startswith("thing.done.v1: the model differs")
    with pytest.raises(PublishedChanged):
        publish(changed(**parts), folder)


def test_a_field_that_is_called_like_a_word_of_the_schema_is_structure(folder: Path) -> None:
    """`description` as a field's name must not be taken for a description."""
    parts = {"properties": {"title": {"type": "string"}}, "required": ["title"]}
    assert faults(changed(**parts), folder)


def test_a_model_may_not_vanish(folder: Path) -> None:
    (fault,) = faults({}, folder)
    assert "no model has this version any more" in fault


def test_a_published_schema_may_not_vanish_or_be_edited(folder: Path) -> None:
    path = folder / "thing.done.v1.json"
    path.write_text(json.dumps({"type": "string"}))
    assert any("was edited" in fault for fault in faults({"thing.done.v1": V1}, folder))
    path.unlink()
    assert any("is gone" in fault for fault in faults({"thing.done.v1": V1}, folder))


def test_a_line_may_not_be_struck_from_the_lock(folder: Path) -> None:
    (folder / LOCK).write_text("")
    assert any("without a line" in fault for fault in faults({"thing.done.v1": V1}, folder))


def test_a_version_stands_in_the_lock_once(folder: Path) -> None:
    lock = folder / LOCK
    lock.write_text(lock.read_text() * 2)
    with pytest.raises(PublishedChanged, match="twice"):
        read_lock(folder)


def test_a_new_version_is_published_beside_the_old_one(folder: Path) -> None:
    schemas = {"thing.done.v1": V1, "thing.done.v2": {**V1, "required": []}}
    assert publish(schemas, folder) == ["thing.done.v2"]
    assert list(read_lock(folder)) == ["thing.done.v1", "thing.done.v2"]
    assert not faults(schemas, folder)


def test_starting_afresh_is_refused_after_a_release(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (folder / LOCK).read_bytes()
    monkeypatch.setattr(published, "FOLDER", folder)
    monkeypatch.setattr(published, "released", lambda: "v1.0.0")
    assert published.main(["--anew"]) == 1
    assert "v1.0.0" in capsys.readouterr().err
    assert (folder / LOCK).read_bytes() == before


def test_starting_afresh_publishes_everything_before_a_release(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(published, "FOLDER", folder)
    monkeypatch.setattr(published, "released", lambda: "")
    assert published.main(["--anew"]) == 0
    assert set(read_lock(folder)) == {*DECODE, "channel.message.v1"}
