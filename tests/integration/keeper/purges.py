"""Signed purges, as audit would write them; and forged ones."""

import base64
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts.housekeeping import CohortPurged, Head
from contracts.purging import text_of

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
TOMBSTONE = "7a0f1e56-0c5b-5d55-9c0e-3f4a6a0f7b11"


def written(raw: bytes) -> str:
    """Base64url without padding, as events have keys and signatures."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def public(key: Ed25519PrivateKey) -> bytes:
    """The 32 bytes that everybody may know."""
    return key.public_key().public_bytes_raw()


def signed(event: CohortPurged, key: Ed25519PrivateKey) -> str:
    """The signature of this purge by this key."""
    return written(key.sign(text_of(event)))


def purge(*heads: Head, key: Ed25519PrivateKey = KEY, **more: Any) -> dict[str, Any]:
    """A right `cohort.purged`, signed."""
    fields: dict[str, Any] = {
        "cohort": "2024-02",
        "part": 1,
        "parts": 1,
        "plan": "ab" * 32,
        "heads": sorted(heads, key=lambda head: (head.source, head.subject)),
        "count": sum(head.sequence for head in heads),
        "ground": "retention_past",
        "proposed_by": "auditor:a-1",
        "by": "auditor:a-2",
        "key": written(public(key)),
        "signature": "A" * 86,
        **more,
    }
    unsigned = CohortPurged.model_validate(fields)
    data = {**unsigned.model_dump(mode="json"), "signature": signed(unsigned, key)}
    return {
        "id": TOMBSTONE,
        "type": "cohort.purged.v1",
        "source": "/bihuan/audit",
        "data": data,
    }
