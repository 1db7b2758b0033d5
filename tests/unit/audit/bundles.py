"""True bundles, made by the code that makes them, over a small log of five complaints.

Three of them are told in full by intake's and sla_watch's own decisions; one was answered in time
and heard of late (a corrected verdict), one was reclassified, one broke its promises.
"""

import json
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts.housekeeping import PolicyActivated
from libs.decider import Recorded
from libs.eventlog.envelope import GENESIS, Origin, encode
from services.audit import views
from services.audit.cold.form import Record
from services.audit.domain.checkpoint import Accepted, Checkpoint, Signed, key_id, verifier_key
from services.audit.domain.policy import Words, compile_policy
from services.audit.domain.tree import EMPTY_ROOT, Tree, inclusion_proof
from services.audit.evidence.bundle import Content, Proven, assemble
from services.audit.evidence.gather import heads_of, told_of
from services.audit.evidence.page import row_of
from services.audit.evidence.promises import promises
from services.audit.signing import CheckpointKey
from tests.unit.replay.played import story
from tests.unit.sla_watch.play import Play, seed_content
from tests.unit.sla_watch.told import answered, registered
from tests.unit.timekeeping.instants import at

ROOT = Path(__file__).parents[3]
ORIGIN = "bihuan/audit"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
KEY_LINE = verifier_key(ORIGIN, PUBLIC)
COMPLAINTS = tuple(f"5b0fdb9c-6f5b-5f3c-9d55-0d3c6a0a4a1{number}" for number in range(5))
"""The first is the one that a complaint's bundle is about; its verdict was corrected."""
WORDS: Words = compile_policy(
    "words", yaml.safe_load((ROOT / "services/audit/policy/words.v1.yaml").read_text("utf-8"))
)


@dataclass(frozen=True)
class Sealed:
    """The log: rows in the order of their leaves, the tree over them, and its checkpoint."""

    rows: Sequence[Record]
    tree: Tree
    note: str


def corrected() -> Play:
    """Answered on Thursday at 23:00, which is heard only on Friday at 09:00."""
    play = Play().hear(registered("2025-10-10 09:00"), "2025-10-10 09:00")
    play = play.until("2025-10-17 08:00")
    return play.take(play.record(answered(), "2025-10-16 23:00"), "2025-10-17 09:00")


def simple(when: str, answer: str, until: str) -> Play:
    play = Play().hear(registered(when), when)
    if answer:
        play.hear(answered(), answer)
    return play.until(until)


def told() -> list[Recorded[Any]]:
    plays = (
        corrected(),
        simple("2025-10-10 10:00", "2025-10-10 10:30", "2025-10-20 00:00"),
        simple("2025-10-11 10:00", "", "2025-10-30 00:00"),
        simple("2025-10-13 17:30", "2025-10-15 11:00", "2025-10-16 00:00"),
        simple("2025-10-14 08:00", "2025-10-14 08:01", "2025-10-14 09:00"),
    )
    return sorted(
        (
            replace(one, subject=subject)
            for subject, play in zip(COMPLAINTS, plays, strict=True)
            for one in story(play)
        ),
        key=lambda one: one.time,
    )


@cache
def sealed() -> Sealed:
    heads: dict[tuple[str, str], tuple[int, str]] = {}
    rows: list[Record] = []

    def put(source: str, subject: str, time: Any, data: Any, actor: str, cause: str) -> None:
        number, before = heads.get((source, subject), (0, GENESIS))
        state, one = encode(
            data,
            source=source,
            subject=subject,
            sequence=number + 1,
            previous=before,
            time=time,
            origin=Origin(cause, actor),
        )
        digest = sha256(state)
        heads[source, subject] = number + 1, digest.hexdigest()
        partition = 0 if subject in COMPLAINTS[:2] else 1
        rows.append(
            Record(
                *(partition, 1, len(rows), source, subject, number + 1, "", "", one.type, one.time),
                *(bytes.fromhex(before), digest.digest(), state),
            )
        )

    for file in ("clocks.v1.yaml", "working_days.v1.yaml"):
        content = seed_content(file)
        activated = PolicyActivated(
            name=content["name"],
            version=content["version"],
            sha256="0" * 64,
            content=json.loads(json.dumps(content, default=str)),
            effective_from=at("2004-01-01"),
        )
        put(
            "/bihuan/sla_watch",
            content["name"],
            at("2025-10-01"),
            activated,
            "system:seed",
            "seed:1",
        )
    for one in told():
        cause = "message:10010 m-1" if one.type.startswith("complaint.reg") else str(rows[-1].place)
        put(one.source, one.subject, one.time, one.data, "agent:8812", cause)
    rows.sort(key=lambda one: (one.partition, one.offset))
    tree = Tree(0, lambda place: b"")
    tree.extend(row.digest for row in rows)
    tree = Tree(tree.size, tree.changed.__getitem__)
    checkpoint = Checkpoint(
        ORIGIN, tree.size, tree.root(), at("2025-10-31 00:00"), 0, None, len(heads),
        (Accepted(0, tree.size, EMPTY_ROOT),),
    )  # fmt: skip
    signature = KEY.sign(checkpoint.text().encode())
    return Sealed(rows, tree, Signed(checkpoint, key_id(ORIGIN, PUBLIC), signature).note())


def bundle(kind: str) -> bytes:
    """`complaint` or `period`, with ` opened` behind it or not."""
    log = sealed()
    policies = [one for one in log.rows if one.type == PolicyActivated.type]
    if kind.startswith("complaint"):
        about: dict[str, Any] = {"complaint": COMPLAINTS[0], "receipt": "5109-4364-0504"}
        rows = [one for one in log.rows if one.subject == COMPLAINTS[0]]
    else:
        about = {"from": "2025-10-11T00:00:00Z", "to": "2025-10-29T00:00:00Z"}
        since, until = at("2025-10-11 08:00"), at("2025-10-29 08:00")
        rows = [one for one in log.rows if one.time and since <= one.time < until]
    tokens = {"bs1.abc": "上个月的漫游费太贵了", "bs1.def": None}
    bodies = [json.loads(one.state) for one in rows]
    content = Content(
        about=about,
        whole=kind.startswith("complaint"),
        note=log.note,
        key=KEY_LINE,
        events=[proven(one) for one in rows],
        policies=[proven(one) for one in policies],
        heads=heads_of(rows),
        steps=[told_of(one, WORDS, true=True) for one in views.steps_alone(rows)],
        promises=[row_of(one, WORDS) for one in promises(bodies)],
        opened=tokens if kind.endswith("opened") else None,
    )
    return assemble(content, CheckpointKey(KEY))


def proven(row: Record) -> Proven:
    log = sealed()
    index = log.rows.index(row)
    return Proven(row.state, index, inclusion_proof(index, log.tree.size, log.tree.node))


def signature(manifest: bytes, key: Ed25519PrivateKey = KEY) -> bytes:
    """What the operator could put under another manifest."""
    return b64encode(key.sign(b"bihuan bundle\n" + manifest))
