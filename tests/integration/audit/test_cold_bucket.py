"""Months' files in a bucket, over HTTP with the S3 protocol.

The server is moto's, an imitation of S3 made for tests: it speaks the protocol, and keeps what it
is given in memory. It does not check who signs.
"""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from services.audit.cold import form
from services.audit.cold.form import CohortFile, FileBroken, file_digest
from services.audit.cold.store import Bucket, Key, S3Access, StoreAway, open_store
from tests.unit.audit.test_cold_form import RECORDS

ACCESS = {"region": "us-east-1", "key_id": "someone", "secret": "not-told"}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    boto3.client(
        "s3",
        endpoint_url=f"http://{host}:{port}",
        region_name="us-east-1",
        aws_access_key_id="someone",
        aws_secret_access_key="not-told",
    ).create_bucket(Bucket="archive")
    yield f"http://{host}:{port}"
    server.stop()


def bucket(endpoint: str, cache: Path, cache_bytes_max: int = 1 << 30) -> Bucket:
    where = "s3://archive/audit/months"
    found = open_store(where, S3Access(endpoint, **ACCESS), cache, cache_bytes_max)
    assert isinstance(found, Bucket)
    return found


def written(folder: Path, cohort: str, count: int) -> tuple[Path, Key]:
    path = folder / f"{cohort}.parquet"
    form.write(path, cohort, RECORDS[:count])
    return path, Key(cohort, file_digest(path))


def test_a_file_goes_there_comes_back_and_goes(endpoint: str, tmp_path: Path) -> None:
    kept = bucket(endpoint, tmp_path / "cache")
    path, key = written(tmp_path, "2025-09", 5)
    kept.put(key, path)
    kept.put(key, path)  # told twice
    assert list(kept.keys()) == list(kept.keys("2025-09")) == [key]
    assert list(kept.keys("2025-10")) == []
    file = CohortFile(kept.proven(key))
    assert list(file.records()) == RECORDS
    file.close()
    copy = kept.local(key)
    assert copy.is_relative_to(tmp_path / "cache")
    kept.remove(key)
    kept.remove(key)
    assert not copy.exists()
    with pytest.raises(FileNotFoundError):
        kept.local(key)


def test_other_bytes_there_are_never_taken_for_it(endpoint: str, tmp_path: Path) -> None:
    kept = bucket(endpoint, tmp_path / "cache")
    path, _ = written(tmp_path, "2025-09", 4)
    wrong = Key("2025-09", "0" * 64)
    kept.put(wrong, path)
    with pytest.raises(FileBroken, match="does not have the bytes"):
        kept.local(wrong)
    assert list((tmp_path / "cache").rglob("*.parquet*")) == []
    kept.remove(wrong)


def test_copies_make_room_for_each_other(endpoint: str, tmp_path: Path) -> None:
    kept = bucket(endpoint, tmp_path / "cache", cache_bytes_max=1)
    keys = []
    for cohort in ("2025-09", "2025-10"):
        path, key = written(tmp_path, cohort, 3)
        kept.put(key, path)
        keys.append(key)
        assert kept.local(key).exists()
    assert [one.name for one in (tmp_path / "cache").rglob("*.parquet")] == [
        f"{keys[1].digest}.parquet"
    ]


def test_a_store_that_is_away_says_so_and_tells_no_secret(tmp_path: Path) -> None:
    away = bucket("http://127.0.0.1:9", tmp_path / "cache")
    with pytest.raises(StoreAway) as told:
        list(away.keys())
    assert "not-told" not in str(told.value)
    assert "127.0.0.1" not in str(told.value)


class Wire:
    """The way to the server, which breaks for good after so many bytes in either direction."""

    def __init__(self, endpoint: str, bytes_max: int) -> None:
        host, _, port = endpoint.removeprefix("http://").partition(":")
        self._server = (host, int(port))
        self._left = bytes_max
        self._door = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self._door.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def broken(self) -> bool:
        """Whether it broke."""
        return self._left <= 0

    def close(self) -> None:
        """Nobody gets through any more."""
        self._door.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                ends = self._door.accept()[0], socket.create_connection(self._server)
                for here, there in (ends, ends[::-1]):
                    threading.Thread(target=self._carry, args=(here, there), daemon=True).start()

    def _carry(self, here: socket.socket, there: socket.socket) -> None:
        with suppress(OSError), here, there:
            while not self.broken and (block := here.recv(65_536)):
                self._left -= len(block)
                if not self.broken:
                    there.sendall(block)
            for end in (here, there):  # closing alone would not wake who waits for it
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)


def test_cut_off_amid_the_bytes_it_is_there_whole_or_not_at_all(
    endpoint: str, tmp_path: Path
) -> None:
    path = tmp_path / "large.parquet"
    path.write_bytes(os.urandom(12_000_000))  # three parts
    key = Key("2025-11", file_digest(path))
    whole = bucket(endpoint, tmp_path / "cache")
    with closing(Wire(endpoint, 7_000_000)) as wire:
        with pytest.raises(StoreAway, match="cannot be reached"):
            bucket(wire.endpoint, tmp_path / "cache").put(key, path)
        assert wire.broken
    assert list(whole.keys("2025-11")) == []
    whole.put(key, path)
    with closing(Wire(endpoint, 7_000_000)) as wire:
        with pytest.raises(StoreAway, match="cannot be reached"):
            bucket(wire.endpoint, tmp_path / "cache").proven(key)
        assert wire.broken
    assert [one for one in (tmp_path / "cache").rglob("*") if one.is_file()] == []
    assert whole.proven(key).read_bytes() == path.read_bytes()
    whole.remove(key)


def test_where_there_is_no_bucket_it_is_said(endpoint: str, tmp_path: Path) -> None:
    access = S3Access(endpoint, **ACCESS)
    none = open_store("s3://nowhere/audit", access, tmp_path / "cache", 1 << 30)
    path, key = written(tmp_path, "2025-09", 2)
    with pytest.raises(StoreAway, match="does not exist"):
        none.put(key, path)
    with pytest.raises(StoreAway, match="does not exist"):
        list(none.keys())
