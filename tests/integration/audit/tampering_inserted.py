"""The same somebody puts events in that never were: before the first of a stream, amid it, behind.

Plain SQL, JSON and SHA-256: no code of what seals or verifies.
"""

import json
import random
from dataclasses import replace
from hashlib import sha256

from tests.integration.audit.tampering import (
    PLACE,
    Act,
    Conn,
    Event,
    Name,
    chain_again,
    copy,
    cover_up,
    make_room,
    stream,
)

NOBODY = "0" * 64
"""`previous` of a stream's first event."""


def said(event: Event, sequence: int, previous: str, *, anew: bool = False) -> bytes:
    """An event's bytes with another number and predecessor; `anew`: and another cause."""
    told = json.loads(event.state)
    state = event.state.replace(b'"sequence":"%d"' % event.sequence, b'"sequence":"%d"' % sequence)
    state = state.replace(told["previous"].encode(), previous.encode(), 1)
    if anew:
        state = state.replace(b'"causationid":"key:1"', b'"causationid":"key:9"', 1)
        assert b'"causationid":"key:9"' in state
    return state


def put_in(conn: Conn, events: list[Event], at: int) -> Event:
    """One in our own form, continuing the one it stands behind; `at` so many stand before it."""
    like = events[max(at - 1, 0)]
    previous = sha256(like.state).hexdigest() if at else NOBODY
    state = said(like, at + 1, previous, anew=True)
    behind = like if at else replace(like, offset=like.offset - 1)
    offset = make_room(conn, behind)
    if at == 0:
        like = replace(like, offset=like.offset + 1)
    copy(conn, like, state, at + 1, offset)
    return replace(like, sequence=at + 1, offset=offset, state=state)


def where(which: str, events: list[Event], dice: random.Random) -> int:
    return {"head": 0, "middle": dice.randrange(1, len(events)), "end": len(events)}[which]


def insert(which: str, *, hide: bool) -> Act:
    """The true ones keep their numbers, so that two have one, but at the end."""

    def act(conn: Conn, dice: random.Random) -> set[Name]:
        events = stream(conn, dice, least=2)
        one = put_in(conn, events, where(which, events, dice))
        if hide:
            cover_up(conn, [one])
        return {one.name}

    return act


def insert_and_chain_anew(which: str) -> Act:
    """The later ones take the next numbers and vouch for it, and everything is made to fit.

    Harmed is every number from its own on: other bytes bear it now, and one bears a new one.
    """

    def act(conn: Conn, dice: random.Random) -> set[Name]:
        events = stream(conn, dice, least=2)
        one = put_in(conn, events, where(which, events, dice))
        stand = conn.execute(
            "SELECT source, subject, sequence, partition, life, record_offset, state FROM archive "
            "WHERE source = %s AND subject = %s ORDER BY life, record_offset",
            (one.source, one.subject),
        ).fetchall()
        now = [Event(*row[:6], bytes(row[6])) for row in stand]
        at = next(number for number, event in enumerate(now) if event.place == one.place)
        for event in now[at + 1 :]:
            event.state = said(event, event.sequence + 1, json.loads(event.state)["previous"])
            event.sequence += 1
            conn.execute(
                f"UPDATE archive SET state = %s, sequence = %s, digest = %s WHERE {PLACE}",
                (event.state, event.sequence, sha256(event.state).digest(), *event.place),
            )
        chain_again(conn, now)
        cover_up(conn, now)
        return {event.name for event in now[at:]}

    return act


INSERTIONS: dict[str, Act] = {
    **{
        f"inserted, {which}{', and hidden' if hide else ''}": insert(which, hide=hide)
        for which in ("head", "middle", "end")
        for hide in (False, True)
    },
    **{
        f"inserted, {which}, and chained anew": insert_and_chain_anew(which)
        for which in ("head", "middle")
    },
}
