"""Golden samples: for each event version one event, byte for byte as a service would write it.

`python -m tests.contracts.golden TYPE < data.json` records one for a new version. A sample is
never written twice: once a version is released, its sample shows for ever how its bytes read.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

from contracts.catalogue import CATALOGUE, DECODE, RETIRED
from contracts.published import released
from libs.eventlog.envelope import GENESIS, Origin, decode, encode

SAMPLES = Path("contracts/samples")
ROOT = Path(__file__).parents[2]
COMPLAINT = UUID("5b0fdb9c-6f5b-5f3c-9d55-0d3c6a0a4a11")
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def sample_path(event_type: str) -> Path:
    """Where the sample of this version lies."""
    return ROOT / SAMPLES / f"{event_type}.json"


def sample_bytes(event_type: str) -> bytes:
    """The event's own bytes: the file without the newline that ends it."""
    content = sample_path(event_type).read_bytes()
    assert content.endswith(b"}\n"), f"{event_type}: a sample is one line"
    return content[:-1]


def encoded(
    event_type: str,
    data: Mapping[str, Any],
    *,
    subject: str = str(COMPLAINT),
    sequence: int = 2,
    time: datetime = datetime(2025, 10, 9, 1, 0, tzinfo=UTC),
    actor: str = "",
    causation: str = "",
) -> bytes:
    """The bytes of one event, made by the encoder that the services use."""
    writer = next(one for one in (*CATALOGUE, *RETIRED) if one.event.type == event_type).writers[0]
    before = f"{writer}|{subject}|{sequence - 1}".encode()
    state, _ = encode(
        DECODE[event_type].model_validate(data),
        source=f"/bihuan/{writer}",
        subject=subject,
        sequence=sequence,
        previous=GENESIS if sequence == 1 else sha256(before).hexdigest(),
        time=time,
        origin=Origin(
            causation=causation or "7d1c9f86-52ab-5a0e-9d0b-2f3f5a7c1e10",
            actor=actor or f"system:{writer}",
            traceparent=TRACE,
        ),
    )
    return state


def record(event_type: str, state: bytes) -> None:
    """Keeps a sample; raises FileExistsError when there is one."""
    with sample_path(event_type).open("xb") as file:
        file.write(state + b"\n")


def refresh(event_type: str) -> None:
    """Writes a sample again as its model is now; only for what no release has."""
    told = decode(sample_bytes(event_type), DECODE)
    state = encoded(
        event_type,
        json.loads(sample_bytes(event_type))["data"],
        subject=told.subject,
        sequence=told.sequence,
        time=told.time,
        actor=told.actor,
        causation=told.causation,
    )
    sample_path(event_type).write_bytes(state + b"\n")


def main() -> int:
    """0 when the sample is recorded or refreshed, 1 when a release forbids it."""
    parser = argparse.ArgumentParser(prog="python -m tests.contracts.golden", description=__doc__)
    parser.add_argument("type", help="the event's type, or `all` with --refresh")
    parser.add_argument("--refresh", action="store_true", help="before the first release only")
    asked = parser.parse_args()
    if not asked.refresh:
        record(asked.type, encoded(asked.type, json.load(sys.stdin)))
        return 0
    if tag := released():
        sys.stderr.write(f"{tag} is released; make a new version of the event instead\n")
        return 1
    for event_type in DECODE if asked.type == "all" else [asked.type]:
        refresh(event_type)
    return 0


if __name__ == "__main__":
    sys.exit(main())
