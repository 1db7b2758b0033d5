"""A month goes into a bucket and comes back, by the commands; refused, or away amid it, nothing is
half done.
"""

from pathlib import Path
from typing import Any

import pytest

from services.audit.cold import keeping
from tests.e2e.bucket import KEY_ID, SECRET, Bucket
from tests.e2e.commands import bihuan, told
from tests.e2e.world import World

MONTH = "2025-10"


async def month_of(data: Path, cohort: str = MONTH) -> dict[str, Any]:
    """How a month stands by `archive list`."""
    code, listed = await told(data, "archive", "list")
    assert code == 0
    (found,) = (one for one in listed["months"] if one["cohort"] == cohort)
    return dict(found)


async def fails(data: Path, why: str, *words: str) -> None:
    """It exits with 1, says why, and nothing of where and who."""
    code, _, err = await bihuan(data, "archive", *words)
    told_ = " ".join(err.split())
    assert (code, why in told_) == (1, True), err
    assert not [one for one in (KEY_ID, SECRET, "127.0.0.1") if one in told_]


async def written_and_restored(playing: World, bucket: Bucket) -> None:
    """Audit keeps its months there; this one is written at the end, and lies there."""
    data = playing.system.places.data
    refuses_us = "the archive's bucket refuses us (403)"
    before = await month_of(data)
    bucket.refuses(yes=True)
    await fails(data, refuses_us, "write", MONTH)
    bucket.refuses(yes=False)

    def away(place: str) -> None:
        if place == "archive-after-put":
            bucket.kill()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keeping, "reach", away)
        await fails(data, "the archive's store cannot be reached", "write", MONTH)
    bucket.start()
    await playing.settle()
    assert await month_of(data) == before, "every row is there, and no file is on record"
    assert bucket.files() == {}

    code, done = await told(data, "archive", "write", MONTH)
    assert (code, done["left"]) == (0, done["events"])
    await playing.settle()
    (name,), (content,) = bucket.files().keys(), bucket.files().values()
    assert name == f"{MONTH}/{done['file']}.parquet"
    now = await month_of(data)
    assert (now["file"], now["bytes"]) == (done["file"], len(content))
    assert now["filed"] == done["events"]
    assert before["rows"] - now["rows"] == done["left"]
    assert (await told(data, "archive", "check"))[1]["problems"] == []
    sql = "SELECT count(*) FROM record"
    assert (await told(data, "archive", "query", sql))[1]["rows"] == [[done["events"]]]

    bucket.refuses(yes=True)
    await fails(data, refuses_us, "restore", MONTH, "--reason", "asked")
    await fails(data, refuses_us, "check")
    bucket.refuses(yes=False)
    assert await month_of(data) == now
    assert (await told(data, "archive", "restore", MONTH, "--reason", "asked"))[0] == 0
    await playing.settle()
    back = await month_of(data)
    assert (back["file"], back["rows"]) == (None, now["rows"] + done["events"])
    assert bucket.files() == {}
    assert (await told(data, "archive", "write", MONTH))[0] == 0
    await playing.settle()
