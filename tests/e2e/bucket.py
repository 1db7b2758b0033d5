"""A server of its own that speaks S3, for scenes whose months lie in a bucket.

It is moto's, in a process of its own: the protocol, the signatures and the HTTP are real, and what
it keeps is in memory. It refuses who is unknown to it, if it is told to.
"""

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from botocore.exceptions import BotoCoreError

from cli.system import System, free_ports

NAME, PREFIX = "months-of-test", "audit"
KEY_ID, SECRET = "KEYIDKEYID", "not-told-to-anybody"


class Bucket:
    """The server's process, and what lies in its bucket."""

    def __init__(self) -> None:
        (self._port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """It runs, with nothing in it."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self._port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        ends = time.monotonic() + 60
        while True:
            try:
                self._s3().create_bucket(Bucket=NAME)
                return
            except BotoCoreError:
                assert time.monotonic() < ends, "the server does not come up"
                time.sleep(0.1)

    def kill(self) -> None:
        """It is gone at once, with everything in it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def refuses(self, *, yes: bool) -> None:
        """From now on it refuses us, with 403; or lets us in again."""
        path, count = f"{self.url}/moto-api/reset-auth", b"0" if yes else b"Infinity"
        httpx.post(path, content=count, trust_env=False).raise_for_status()

    def files(self) -> dict[str, bytes]:
        """What lies in it, by name without the prefix."""
        listed = self._s3().list_objects_v2(Bucket=NAME).get("Contents", [])
        return {
            one["Key"].removeprefix(f"{PREFIX}/"): self._s3()
            .get_object(Bucket=NAME, Key=one["Key"])["Body"]
            .read()
            for one in listed
        }

    def copied(self, folder: Path) -> Path:
        """A folder with the same files."""
        for name, content in self.files().items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return folder

    def _s3(self) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=KEY_ID,
            aws_secret_access_key=SECRET,
        )


@contextlib.contextmanager
def settings_for(bucket: Bucket, cache: Path) -> Iterator[None]:
    """Audit, started while this lasts, keeps months there: by the settings an operator has."""
    values = System.values

    def without_folder(self: System, *args: Any) -> dict[str, Any]:
        found = values(self, *args)
        found.pop("archive_store", None)
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(System, "values", without_folder)
        patch.setenv("BIHUAN_ARCHIVE_STORE", f"s3://{NAME}/{PREFIX}")
        patch.setenv("BIHUAN_ARCHIVE_BUCKET_ENDPOINT", bucket.url)
        patch.setenv("BIHUAN_ARCHIVE_BUCKET_REGION", "us-east-1")
        patch.setenv("BIHUAN_ARCHIVE_BUCKET_KEY_ID", KEY_ID)
        patch.setenv("BIHUAN_ARCHIVE_BUCKET_SECRET", SECRET)
        patch.setenv("BIHUAN_ARCHIVE_CACHE", str(cache))
        yield
