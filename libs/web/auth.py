"""Who is calling: a signed bearer token, checked against published keys; never the request's body.

Tokens count in real time, which comes in as a port: domain time may be scaled or stepped, and a
token must not live or die by it (DESIGN, Time).
"""

import json
import os
import re
import secrets
import stat
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Protocol

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from libs.web.keys import ALGORITHMS, KeySource, PublicKey, unpadded
from libs.web.problem import NotAuthenticated

ISSUER: Final = "urn:bihuan"
AUDIENCE: Final = "bihuan"
TOKEN_BYTES_MAX: Final = 8 * 1024
TOKEN_LIFETIME_S_MAX: Final = 366 * 24 * 3600
LEEWAY_S: Final = 30
CALLERS_CACHED_MAX: Final = 4096

ACTOR = re.compile(r"[a-z][a-z_]{1,31}:[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
"""`agent:8812`, `channel:10010`, `system:sla_watch`: a kind and a pseudonym, never a name."""

TEAM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
ROLE = re.compile(r"[a-z][a-z_]{0,31}\Z")
EXPIRES_S_MAX = 253_402_300_799
"""The last second of the year 9999: whoever counts in milliseconds is beyond it."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, as the token says: a pseudonymous actor, roles, and the team if there is one."""

    actor: str
    roles: frozenset[str]
    team: str | None = None
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def name(self) -> str:
        """The actor without its kind: `8812` of `agent:8812`."""
        return self.actor.partition(":")[2]


@dataclass(frozen=True, slots=True)
class Shown:
    """A good token that is seen for the first time, without the token itself."""

    id: str
    """Its `jti`, as `token_name` has it; where it has none, its digest."""
    digest: str
    """SHA-256 of what of it is signed (RFC 7515, 2: its signing input), in hex.

    Not of the whole: one signature can be spelt in several ways, and of ECDSA there are two.
    """
    actor: str
    roles: frozenset[str]
    expires_s: float
    key: str
    """The id of the key that signed it."""


TOKEN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:@+-]{0,95}\Z")
"""What a token's id on record looks like: it can be one step of a path."""


def token_name(jti: str) -> str:
    """A token's id as it is on record: itself, or the start of its digest where it cannot be."""
    return jti if TOKEN_NAME.match(jti) else f"sha256-{sha256(jti.encode()).hexdigest()[:32]}"


class Register(Protocol):
    """What is on record of tokens, and of who may use which roles."""

    async def shown(self, token: Shown) -> None:
        """Puts a token on record that is not yet; once it returns the token may be obeyed."""
        ...

    def standing(self, digest: str, caller: Caller) -> Caller:
        """The caller with the roles that may be used; raises TokenRevoked."""
        ...


class TokenRevoked(NotAuthenticated):
    """The token was revoked before it ran out; ask an administrator for a new one."""

    rule = "token-revoked"
    zh = "令牌已被吊销,请向管理员申请新令牌"


@dataclass(frozen=True, slots=True)
class Remembered:
    """A token whose signature was found good."""

    kid: str
    key: PublicKey
    digest: str
    """As it is on record."""
    expires_s: float
    caller: Caller


class Authenticator:
    """Turns an `Authorization` header into a `Caller`, or refuses.

    A token whose signature was checked once is remembered by all its bytes (checking takes 0.2 ms);
    that its key is still the one, its expiry, and what is on record against it, are checked every
    time.
    """

    def __init__(
        self,
        keys: KeySource,
        real_now_s: Callable[[], float],
        *,
        issuer: str = ISSUER,
        audience: str = AUDIENCE,
        register: Register | None = None,
    ) -> None:
        self._keys = keys
        self._now = real_now_s
        self._issuer = issuer
        self._audience = audience
        self._register = register
        self._seen: OrderedDict[bytes, Remembered] = OrderedDict()

    async def caller(self, authorization: str | None) -> Caller:
        """Who the header says; raises NotAuthenticated saying why, never quoting the token."""
        scheme, _, token = (authorization or "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise NotAuthenticated
        if len(token) > TOKEN_BYTES_MAX:
            raise NotAuthenticated("The token is longer than any of ours.")
        seen = sha256(token.encode("utf-8", "replace")).digest()
        known = self._seen.get(seen)
        if known is None or not await self._still_good(known):
            self._seen.pop(seen, None)
            known = await self._checked(token)
            if self._register is not None:
                await self._register.shown(_shown(known))
            self._seen[seen] = known
            if len(self._seen) > CALLERS_CACHED_MAX:
                self._seen.popitem(last=False)
        elif seen in self._seen:
            self._seen.move_to_end(seen)
        return self._standing(known.digest, known.caller)

    async def _still_good(self, known: Remembered) -> bool:
        return (
            known.expires_s + LEEWAY_S > self._now()
            and await self._keys.find(known.kid) is known.key
        )

    def _standing(self, digest: str, caller: Caller) -> Caller:
        return caller if self._register is None else self._register.standing(digest, caller)

    async def _checked(self, token: str) -> Remembered:
        kid = _kid(token)
        key = await self._keys.find(kid)
        if key is None:
            raise NotAuthenticated("The token names a key that this installation does not know.")
        try:
            decoded = jwt.decode(token, key, algorithms=list(ALGORITHMS[key.key_type]))
            jwt.JWTClaimsRegistry(
                now=int(self._now()),
                leeway=LEEWAY_S,
                iss={"essential": True, "value": self._issuer},
                aud={"essential": True, "value": self._audience},
                sub={"essential": True},
                exp={"essential": True},
            ).validate(decoded.claims)
        except (JoseError, ValueError, TypeError) as error:
            kind = type(error).__name__.removesuffix("Error")
            raise NotAuthenticated(
                f"The token is not acceptable ({kind}); get a new one."
            ) from None
        expires = float(decoded.claims["exp"])
        if expires > EXPIRES_S_MAX:
            raise NotAuthenticated("The token's `exp` is no Unix time in seconds.")
        signed = sha256(token.rpartition(".")[0].encode()).hexdigest()
        return Remembered(kid, key, signed, expires, _caller_of(decoded.claims))


def _shown(token: Remembered) -> Shown:
    caller, claimed = token.caller, token.caller.claims.get("jti")
    return Shown(
        id=token_name(claimed) if isinstance(claimed, str) and claimed else token.digest,
        digest=token.digest,
        actor=caller.actor,
        roles=caller.roles,
        expires_s=token.expires_s,
        key=token.kid,
    )


def _kid(token: str) -> str:
    try:
        head = token.split(".", 1)[0]
        kid = json.loads(unpadded(head))["kid"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise NotAuthenticated("The token is not a signed JWT with a key id.") from None
    if not isinstance(kid, str):
        raise NotAuthenticated("The token is not a signed JWT with a key id.")
    return kid


def _caller_of(claims: Mapping[str, Any]) -> Caller:
    actor, roles, team = claims["sub"], claims.get("roles", []), claims.get("team")
    if not isinstance(actor, str) or not ACTOR.match(actor):
        raise NotAuthenticated("The token's subject is not <kind>:<pseudonym>.")
    if not isinstance(roles, list) or not all(
        isinstance(role, str) and ROLE.match(role) for role in roles
    ):
        raise NotAuthenticated("The token's roles are not a list of names.")
    if team is not None and not (isinstance(team, str) and TEAM.match(team)):
        raise NotAuthenticated("The token's team is not a team's name.")
    return Caller(actor, frozenset(roles), team, claims)


# -- keys and tokens of one machine ---------------------------------------------------------------


class UnsafeKeyFile(RuntimeError):
    """The signing key's file can be read by others; whoever reads it can be anybody."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private Ed25519 key that issues tokens; its public half is in `jwks`."""

    key: OKPKey = field(repr=False)
    kid: str

    def jwks(self) -> str:
        """The JWK Set with the public half."""
        public = self.key.as_dict(private=False)
        return json.dumps({"keys": [{**public, "kid": self.kid, "use": "sig", "alg": "Ed25519"}]})


def make_signing_key(directory: Path) -> SigningKey:
    """The installation's key in `directory`, made at the first call.

    `signing-key.json` has mode 0600, the public `jwks.json` stands beside it. Raises
    UnsafeKeyFile when the key's file is open to others.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = directory / "signing-key.json"
    if not path.exists():
        key = OKPKey.generate_key("Ed25519", {"use": "sig"}, auto_kid=True)
        _write_private(path, json.dumps(key.as_dict(private=True)))
    signing = load_signing_key(path)
    published = directory / "jwks.json"
    if not published.exists() or published.read_text(encoding="utf-8") != signing.jwks():
        partial = directory / f".jwks.{secrets.token_hex(4)}"
        partial.write_text(signing.jwks(), encoding="utf-8")
        partial.replace(published)
    return signing


def load_signing_key(path: Path) -> SigningKey:
    """The private key in a file of mode 0600; raises UnsafeKeyFile when others can read it."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise UnsafeKeyFile(f"{path.name} has mode {mode:o}; replace the key and set mode 600")
    key = OKPKey.import_key(json.loads(path.read_text(encoding="utf-8")))
    return SigningKey(key, str(key.kid))


def _write_private(path: Path, text: str) -> None:
    """Complete or absent, never readable by others; the first of two writers wins."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    try:
        os.link(partial, path)
    except FileExistsError:
        pass  # another process made the key first: that one counts
    finally:
        partial.unlink()


def issue_token(
    signing: SigningKey,
    *,
    actor: str,
    roles: Sequence[str],
    real_now_s: float,
    lifetime_s: int = 8 * 3600,
    team: str | None = None,
    issuer: str = ISSUER,
    audience: str = AUDIENCE,
    token_id: str | None = None,
) -> str:
    """A signed token for `actor` with `roles`, valid from `real_now_s` for `lifetime_s` seconds.

    With a `token_id` the same arguments make the same token, byte for byte; else each is new.

    Raises ValueError for an actor, role or lifetime that no verifier would accept.
    """
    if not ACTOR.match(actor):
        raise ValueError("an actor is <kind>:<pseudonym>, e.g. agent:8812")
    if not roles or not all(ROLE.match(role) for role in roles):
        raise ValueError("a token needs roles in lower case, e.g. agent")
    if not 1 <= lifetime_s <= TOKEN_LIFETIME_S_MAX:
        raise ValueError(f"a token lives 1 to {TOKEN_LIFETIME_S_MAX} seconds")
    if team is not None and not TEAM.match(team):
        raise ValueError("a team is up to 64 letters, digits, dots, dashes and underscores")
    now_s = int(real_now_s)
    claims: dict[str, Any] = {
        "iss": issuer,
        "aud": audience,
        "sub": actor,
        "roles": sorted(set(roles)),
        "iat": now_s,
        "nbf": now_s,
        "exp": now_s + lifetime_s,
        "jti": token_id or secrets.token_hex(12),
    }
    if team is not None:
        claims["team"] = team
    header = {"alg": "Ed25519", "kid": signing.kid}
    return jwt.encode(header, claims, signing.key, algorithms=["Ed25519"])
