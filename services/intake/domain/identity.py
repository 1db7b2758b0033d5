"""Ids that follow from what a channel told, so that the same message makes the same thing again."""

import re
from uuid import UUID, uuid5

COMPLAINTS = UUID("0e2f5c2b-53c1-5c0e-8f6e-6a3a6f2c9d11")
"""Namespace of complaints and contacts: UUIDv5 of channel source and message id (DESIGN)."""

MESSAGES = UUID("b1a7d0f4-9e0c-5b7d-9a55-1d1c8e4f7a22")
"""Namespace of the streams of refused messages, which must not meet the complaints' own."""

STRANGERS = UUID("5d9c3e77-2f4a-5a61-bb0e-c4d2a90f3b33")
"""Namespace of persons nobody knows: each anonymous message is a person of its own."""


def message_key(source: str, message: str) -> UUID:
    """The contact's id, and the complaint's when it is the first one.

    A blank cannot be part of a source, so no two pairs are written alike.
    """
    return uuid5(COMPLAINTS, f"{source} {message}")


def refusal_subject(key: UUID) -> str:
    """The subject of the stream that says a message was refused."""
    return str(uuid5(MESSAGES, key.hex))


def stranger(key: UUID) -> UUID:
    """The person behind an anonymous message: the same on every delivery, and never another's."""
    return uuid5(STRANGERS, key.hex)


def subscriber_key(subscriber: str) -> str:
    """A number or account in the one form under which its person is found.

    Telephone numbers lose dashes and the country code 86, so that one customer is one person on
    every channel; anything else only loses its upper case.
    """
    plain = subscriber.casefold()
    digits = plain.replace("-", "")
    match = _TELEPHONE.match(digits)
    return match["national"] if match else plain


def telephone_number(subscriber: str | None) -> str | None:
    """The subscriber as a number that can be called or written to; None for an account name."""
    if subscriber is None:
        return None
    digits = subscriber.replace("-", "")
    return subscriber_key(subscriber) if _TELEPHONE.match(digits) else None


_TELEPHONE = re.compile(r"(?:\+86|0086|86(?=1\d{10}\Z))?(?P<national>\+?\d{7,15})\Z")
