"""Where the state lies: told clearly when it cannot lie there."""

import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from cli.places import NoPlace, Places
from cli.rebuilding import _told_half_made
from cli.visiting import half_made
from libs.messaging.log_source import LogUnusable

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


def test_views_that_are_half_made_are_found_by_the_doctor(tmp_path: Path) -> None:
    """Also while nothing runs, and until the same rebuild has come to its end."""
    places = Places(tmp_path)
    file = places.half_made("routing")
    with pytest.raises(LogUnusable), _told_half_made(file, "kafka", "admin:local"):
        raise LogUnusable("the log begins too late")
    assert half_made(places) == [], "nothing was changed"
    for broken in (KeyboardInterrupt, LogUnusable):
        with pytest.raises(broken), _told_half_made(file, "kafka", "admin:local"):
            raise broken
        (found,) = half_made(places)
        assert (found.name, found.state) == ("routing's database", "missing")
        assert found.found.startswith("half made: admin:local began to make its views again")
        assert found.remedy == "If it was broken off: bihuan rebuild routing"
    with _told_half_made(file, "kafka", "admin:local"):
        pass
    assert half_made(places) == []
