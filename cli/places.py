"""Where the state of one installation lies: everything under `BIHUAN_DATA`."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from libs.telemetry.logs import configure_logs

SERVICES = ("intake", "routing", "sla_watch", "escalation", "feedback_survey", "audit")
DECIDING = SERVICES[:-1]
"""Those that decide about complaints: all but audit."""

STATE_BYTES_MIN = 512 * 1024**2
"""What must be free to start: the servers' empty state takes about 150 MB of it."""


class NoPlace(OSError):
    """The state cannot be kept there; says what to do."""


class NotRunning(RuntimeError):
    """No system runs on this data folder; start it with `bihuan up`."""


@dataclass(frozen=True, slots=True)
class Places:
    """The folders and files of one installation."""

    data: Path

    @classmethod
    def here(cls) -> "Places":
        """From `BIHUAN_DATA`, by default `./.bihuan`."""
        return cls(Path(os.environ.get("BIHUAN_DATA", ".bihuan")).absolute())

    @property
    def stack(self) -> Path:
        """PostgreSQL's and Kafka's own folder."""
        return self.data / "stack"

    @property
    def keys(self) -> Path:
        """The signing key, its public half, the vault's key, the services' token."""
        return self.data / "keys"

    @property
    def gateway(self) -> Path:
        """What the development gateway was given."""
        return self.data / "gateway"

    @property
    def checkpoints(self) -> Path:
        """Exported checkpoints; to be fetched by who keeps them elsewhere."""
        return self.data / "checkpoints"

    @property
    def archive(self) -> Path:
        """Months of audit's archive that left the database, as files."""
        return self.data / "archive"

    @property
    def logs(self) -> Path:
        """One log a process."""
        return self.data / "logs"

    def half_made(self, service: str) -> Path:
        """What is there for as long as a service's views are half made; says who began when."""
        return self.data / f"half-made-{service}.json"

    def prepare(self) -> None:
        """Makes the folder; raises NoPlace where it cannot be, or where no room is left."""
        try:
            self.logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise NoPlace(
                f"{self.data} cannot be made: {error.strerror}. "
                "Set BIHUAN_DATA to a folder that you may write to"
            ) from error
        free = shutil.disk_usage(self.data).free
        if free < STATE_BYTES_MIN:
            raise NoPlace(
                f"only {free // 1024**2} MiB are free at {self.data}, and a start needs "
                f"{STATE_BYTES_MIN // 1024**2}. Make room, or set BIHUAN_DATA to another disk"
            )

    @contextmanager
    def logging(self) -> Iterator[None]:
        """All logging of this process goes to a file here, so that the terminal stays readable.

        Raises NoPlace.
        """
        self.prepare()
        with (self.logs / "bihuan.log").open("a", encoding="utf-8") as stream:
            configure_logs(stream=stream)
            try:
                yield
            finally:
                configure_logs()

    @property
    def run_file(self) -> Path:
        """Where a running system says how to reach it."""
        return self.data / "run.json"

    def running(self) -> dict[str, Any]:
        """How to reach the running system; raises NotRunning."""
        try:
            told: dict[str, Any] = json.loads(self.run_file.read_text(encoding="utf-8"))
            os.kill(int(told["pid"]), 0)
        except (OSError, ValueError, KeyError) as error:
            raise NotRunning(f"no system runs on {self.data}; start it with: bihuan up") from error
        return told
