"""Where cohort files lie: a folder, or a bucket of any store that speaks S3.

A file's key names its bytes: `<cohort>/<sha256>.parquet`. So putting it twice is putting it once,
and what was fetched can be told from what was meant. Nothing is ever changed in place.
"""

import contextlib
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, Protocol, TypeVar

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

if TYPE_CHECKING:
    from obstore.store import RetryConfig, S3Config

from libs.eventlog.failpoint import reach
from services.audit.cold.form import FileBroken, file_digest

T = TypeVar("T")

NO_BUCKET = "the archive's bucket does not exist (404): look at BIHUAN_ARCHIVE_STORE"
TRIES_AGAIN: "RetryConfig" = {"max_retries": 5, "retry_timeout": timedelta(seconds=60)}
"""By itself, where a bucket does not answer or answers 5xx; some seconds, then it is said."""

_STATUS = re.compile(r"status code: ([0-9]{3})")
_KEY = re.compile(r"[0-9]{4}-[0-9]{2}/[0-9a-f]{64}\.parquet")


class StoreAway(RuntimeError):
    """The archive's store cannot be reached, or none is set; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Key:
    """The name of a cohort's file."""

    cohort: str
    digest: str

    def __str__(self) -> str:
        return f"{self.cohort}/{self.digest}.parquet"

    @classmethod
    def parse(cls, text: str) -> "Key | None":
        """None for a name that is none of ours."""
        if _KEY.fullmatch(text) is None:
            return None
        cohort, _, name = text.partition("/")
        return cls(cohort, name.removesuffix(".parquet"))


class Store(Protocol):
    """Keeps files under their keys. Everything may raise StoreAway."""

    def put(self, key: Key, file: Path) -> None:
        """Keeps a file's bytes, whole and for good, or not at all; safe to repeat."""

    def local(self, key: Key) -> Path:
        """A path to read it by; raises FileNotFoundError where there is none of that key.

        A copy that was fetched is checked against its key (FileBroken).
        """

    def proven(self, key: Key) -> Path:
        """The same, its bytes read from where they are kept and checked against the key."""

    def remove(self, key: Key) -> None:
        """It is not there any more; no error where it was not."""

    def keys(self, cohort: str | None = None) -> Iterator[Key]:
        """What is there, of one cohort or of all."""


class NoStore:
    """None is set: nothing can leave, and what has left cannot be read."""

    def put(self, key: Key, file: Path) -> None:
        """Raises StoreAway."""
        del key, file
        self._away()

    def local(self, key: Key) -> Path:
        """Raises StoreAway."""
        del key
        self._away()

    proven = local

    def remove(self, key: Key) -> None:
        """Raises StoreAway."""
        del key
        self._away()

    def keys(self, cohort: str | None = None) -> Iterator[Key]:
        """Raises StoreAway."""
        del cohort
        self._away()

    def _away(self) -> NoReturn:
        raise StoreAway("no archive store is set: set BIHUAN_ARCHIVE_STORE")


class Folder:
    """A folder on a disk of this machine, or one mounted here."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, key: Key, file: Path) -> None:
        """Under a temporary name, synced, then renamed; the folder is synced too."""
        path = self._root / str(key)
        try:
            if path.exists() and file_digest(path) == key.digest:
                return
            path.parent.mkdir(parents=True, exist_ok=True)
            _keep(path, lambda partial: _copied(file, partial))
            _sync_folder(self._root)
        except OSError as error:
            raise StoreAway(f"the archive's folder: {error.strerror}") from error

    def local(self, key: Key) -> Path:
        """The file itself."""
        path = self._root / str(key)
        if not path.is_file():
            raise FileNotFoundError(str(key))
        return path

    def proven(self, key: Key) -> Path:
        """The file itself, its bytes checked."""
        path = self.local(key)
        _check(path, key)
        return path

    def remove(self, key: Key) -> None:
        """Gone, and the folder synced."""
        path = self._root / str(key)
        try:
            path.unlink(missing_ok=True)
            if path.parent.is_dir():
                _sync_folder(path.parent)
        except OSError as error:
            raise StoreAway(f"the archive's folder: {error.strerror}") from error

    def keys(self, cohort: str | None = None) -> Iterator[Key]:
        """What is there."""
        if not self._root.is_dir():
            return
        for path in sorted(self._root.glob(f"{cohort or '*'}/*.parquet")):
            key = Key.parse(f"{path.parent.name}/{path.name}")
            if key is not None:
                yield key


class Bucket:
    """A bucket; files are read by way of copies in a folder here, the oldest of which make room."""

    def __init__(self, store: S3Store, cache: Path, cache_bytes_max: int) -> None:
        self._store = store
        self._cache = cache
        self._cache_bytes_max = cache_bytes_max

    def put(self, key: Key, file: Path) -> None:
        """One PUT, or a multipart upload that appears whole when it is complete."""
        try:
            _asked(lambda: obstore.put(self._store, str(key), file))
        except FileNotFoundError:
            raise StoreAway(NO_BUCKET) from None

    def local(self, key: Key) -> Path:
        """The copy here, fetched and checked when it is not there yet."""
        path = self._cache / str(key)
        if path.is_file():
            os.utime(path)
            return path
        return self.proven(key)

    def proven(self, key: Key) -> Path:
        """A copy fetched anew."""
        path = self._cache / str(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        _keep(path, lambda partial: self._fetch(key, partial))
        self._make_room(path)
        return path

    def remove(self, key: Key) -> None:
        """Gone there, and the copy here."""
        with contextlib.suppress(FileNotFoundError):
            _asked(lambda: obstore.delete(self._store, str(key)))
        (self._cache / str(key)).unlink(missing_ok=True)

    def keys(self, cohort: str | None = None) -> Iterator[Key]:
        """What is there."""
        listed = _asked(lambda: list(obstore.list(self._store, prefix=cohort)))
        for found in sorted(one["path"] for batch in listed for one in batch):
            key = Key.parse(found)
            if key is not None:
                yield key

    def _fetch(self, key: Key, partial: Path) -> None:
        found = _asked(lambda: obstore.get(self._store, str(key)))
        with partial.open("xb") as out:
            blocks = iter(found)
            while (block := _asked(lambda: next(blocks, None))) is not None:
                out.write(block)
        _check(partial, key)

    def _make_room(self, kept: Path) -> None:
        copies = sorted(self._cache.glob("*/*.parquet"), key=lambda one: one.stat().st_mtime)
        total = sum(one.stat().st_size for one in copies)
        for one in copies:
            if total <= self._cache_bytes_max:
                return
            if one != kept:
                total -= one.stat().st_size
                one.unlink(missing_ok=True)


def _asked(ask: Callable[[], T]) -> T:
    """Raises FileNotFoundError, or StoreAway without the text: it may quote a URL or a key id."""
    try:
        return ask()
    except FileNotFoundError:
        raise
    except (BaseError, OSError) as error:
        raise StoreAway(_why(error)) from None


def _why(error: Exception) -> str:
    """Of what went wrong the server's status alone, and what to look at."""
    found = _STATUS.search(str(error))
    status = "" if found is None else found[1]
    if status in ("401", "403"):
        return (
            f"the archive's bucket refuses us ({status}): look at BIHUAN_ARCHIVE_BUCKET_KEY_ID and "
            "_SECRET, and at what they may do there"
        )
    if status == "404":
        return NO_BUCKET
    if status:
        return f"the archive's bucket answers {status}; do it again later"
    return f"the archive's store cannot be reached ({type(error).__name__}); do it again later"


def _keep(path: Path, fill: Callable[[Path], None]) -> None:
    """Makes a file appear whole, or not at all."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        fill(partial)
        reach("archive-before-sync")
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        reach("archive-before-rename")
        partial.rename(path)
        _sync_folder(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def _copied(file: Path, partial: Path) -> None:
    shutil.copyfile(file, partial)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _check(path: Path, key: Key) -> None:
    if file_digest(path) != key.digest:
        raise FileBroken(f"{key} does not have the bytes that its name says")


# -- from settings --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class S3Access:
    """How a bucket is reached; empty: as the environment of AWS's own tools says."""

    endpoint: str = ""
    region: str = ""
    key_id: str = ""
    secret: str = ""


def open_store(where: str, s3: S3Access, cache: Path, cache_bytes_max: int) -> Store:
    """From what the settings say: a folder's path, `s3://bucket/prefix`, or nothing."""
    if not where:
        return NoStore()
    if not where.startswith("s3://"):
        return Folder(Path(where))
    bucket, _, prefix = where.removeprefix("s3://").partition("/")
    config: S3Config = {}
    if s3.endpoint:
        config["endpoint"] = s3.endpoint
    if s3.region:
        config["region"] = s3.region
    if s3.key_id:
        config["access_key_id"] = s3.key_id
    if s3.secret:
        config["secret_access_key"] = s3.secret
    over_http = s3.endpoint.startswith("http://")
    store = S3Store(
        bucket,
        prefix=prefix or None,
        config=config,
        client_options={"allow_http": over_http},
        retry_config=TRIES_AGAIN,
    )
    return Bucket(store, cache, cache_bytes_max)
