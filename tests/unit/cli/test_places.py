"""Where the state lies: told clearly when it cannot lie there."""

import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from cli.places import NoPlace, Places

Usage = namedtuple("Usage", "total used free")


def test_a_place_is_made_with_its_logs_for_its_owner_only(tmp_path: Path) -> None:
    places = Places(tmp_path / "new" / "data")
    places.prepare()
    places.prepare()
    assert places.logs.is_dir()
    assert places.logs.stat().st_mode & 0o777 == 0o700


def test_a_place_that_cannot_be_made_says_what_to_set(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(NoPlace, match=r"Not a directory.*Set BIHUAN_DATA"):
        Places(tmp_path / "file" / "data").prepare()


def test_a_full_disk_is_told_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        shutil, "disk_usage", lambda _: Usage(10**9, 10**9 - 31 * 2**20, 31 * 2**20)
    )
    with pytest.raises(NoPlace, match=r"only 31 MiB are free .* needs 512. Make room"):
        Places(tmp_path / "data").prepare()
