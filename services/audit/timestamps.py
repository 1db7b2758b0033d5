"""A trusted third party's word on when a checkpoint was there (RFC 3161), beside it in the drop.

The time inside a checkpoint is our own clock's. A time-stamping authority signs the note's digest
with its time, so that nobody can say later that a checkpoint is older than it is.
"""

import os
import secrets
from collections.abc import Iterable
from hashlib import sha512
from pathlib import Path

import httpx
from cryptography.x509 import load_pem_x509_certificates
from rfc3161_client import (
    PKIStatus,
    TimeStampRequest,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from services.audit.export import SIZE_DIGITS

SECONDS_MAX = 30.0
BYTES_MAX = 64 * 1024
GRANTED = (PKIStatus.GRANTED, PKIStatus.GRANTED_WITH_MODS)


class NotStamped(OSError):
    """The authority refused, or answered about something else; it is asked again."""


class Timestamps:
    """`<size>.tsr` in the drop: the authority's answer, as `openssl ts -verify` reads it."""

    name = "timestamps"

    def __init__(self, url: str, folder: Path, roots: Path | None) -> None:
        """`roots` are PEM certificates; None: the signature is left to whoever reads it."""
        self._url = url
        self._folder = folder
        self._roots = () if roots is None else load_pem_x509_certificates(roots.read_bytes())

    def deliver(self, size: int, note: str, leaves: Iterable[str]) -> None:
        """Has a note stamped, unless it is already: the first stamp is the one that counts."""
        del leaves
        path = self._folder / f"{size:0{SIZE_DIGITS}}.tsr"
        if path.exists():
            return
        stamp = self._ask(note.encode())
        self._folder.mkdir(parents=True, exist_ok=True)
        partial = self._folder / f".{path.name}.{secrets.token_hex(4)}"
        try:
            with partial.open("xb") as file:
                file.write(stamp)
                file.flush()
                os.fsync(file.fileno())
            partial.rename(path)
        finally:
            partial.unlink(missing_ok=True)

    def _ask(self, note: bytes) -> bytes:
        request = TimestampRequestBuilder().data(note).nonce(nonce=True).build()
        with httpx.Client(timeout=SECONDS_MAX, trust_env=False) as client:
            answer = client.post(
                self._url,
                content=request.as_bytes(),
                headers={"content-type": "application/timestamp-query"},
            ).raise_for_status()
        stamp = answer.content
        if len(stamp) > BYTES_MAX:
            raise NotStamped("the answer is larger than any time stamp")
        try:
            response = decode_timestamp_response(stamp)
        except ValueError as error:
            raise NotStamped("the answer is no time stamp") from error
        self._check(request, response, note)
        return stamp

    def _check(self, request: TimeStampRequest, response: TimeStampResponse, note: bytes) -> None:
        if response.status not in GRANTED:
            raise NotStamped(f"the authority refused: status {response.status}")
        told = response.tst_info
        if told.message_imprint.message != sha512(note).digest() or told.nonce != request.nonce:
            raise NotStamped("the answer is about something else")
        if self._roots:
            verifier = VerifierBuilder.from_request(request)
            for root in self._roots:
                verifier = verifier.add_root_certificate(root)
            try:
                verifier.build().verify_message(response, note)
            except (VerificationError, ValueError) as error:
                raise NotStamped("the authority is not one that is trusted") from error
