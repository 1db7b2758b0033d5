"""Nobody unknown gets in: tokens are signed by a published key, in time, for us."""

import asyncio
import hmac
import json
import stat
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

from libs.web import Authenticator, Caller, JwksFile, JwksUrl, issue_token, make_signing_key
from libs.web.auth import CALLERS_CACHED_MAX, Remembered, UnsafeKeyFile, load_signing_key
from libs.web.keys import KEYS_FRESH_S, KEYS_KEPT_S, PublicKey, read_jwks
from libs.web.problem import NotAuthenticated, Unavailable
from tests.unit.web.client import Client
from tests.unit.web.sample import REAL_S, Sample

CLAIMS: dict[str, Any] = {
    "iss": "urn:bihuan",
    "aud": "bihuan",
    "sub": "agent:8812",
    "roles": ["agent"],
    "exp": int(REAL_S) + 60,
}


class Keys:
    """Keys by id."""

    def __init__(self, **keys: PublicKey) -> None:
        self.keys = keys

    async def find(self, kid: str) -> PublicKey | None:
        return self.keys.get(kid)


OKP = OKPKey.generate_key("Ed25519")
EC = ECKey.generate_key("P-256")
RSA = RSAKey.generate_key(2048)
KEYS = Keys(okp=OKP, ec=EC, rsa=RSA)


def signed(claims: dict[str, Any], key: Any = OKP, kid: str = "okp", alg: str = "Ed25519") -> str:
    return jwt.encode({"alg": alg, "kid": kid}, dict(claims), key, algorithms=[alg])


def part(value: dict[str, Any]) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def caller(token: str, now_s: float = REAL_S) -> Caller:
    authenticator = Authenticator(KEYS, lambda: now_s)
    return asyncio.run(authenticator.caller(f"Bearer {token}"))


def test_a_good_token_says_who_calls() -> None:
    who = caller(signed({**CLAIMS, "team": "T"}))
    assert who == Caller("agent:8812", frozenset({"agent"}), "T")
    assert who.name == "8812"


@pytest.mark.parametrize(
    ("kid", "alg", "key"), [("ec", "ES256", EC), ("rsa", "RS256", RSA), ("okp", "Ed25519", OKP)]
)
def test_each_type_of_key_signs_with_its_own_algorithm(kid: str, alg: str, key: Any) -> None:
    assert caller(signed(CLAIMS, key, kid, alg)).actor == "agent:8812"


def test_the_older_name_of_ed25519_is_taken_too() -> None:
    with pytest.warns(match="EdDSA is deprecated"):
        token = signed(CLAIMS, alg="EdDSA")
    with pytest.warns(match="EdDSA is deprecated"):
        assert caller(token).actor == "agent:8812"


@pytest.mark.parametrize(
    "changed",
    [
        {"exp": int(REAL_S) - 31},
        {"exp": None},
        {"exp": "tomorrow"},
        {"exp": (int(REAL_S) + 60) * 1000},
        {"exp": True},
        {"nbf": int(REAL_S) + 31},
        {"iss": "urn:other"},
        {"iss": None},
        {"aud": "other"},
        {"aud": None},
        {"sub": None},
        {"sub": "张伟"},
        {"sub": "agent"},
        {"sub": "agent:88 12"},
        {"sub": 8812},
        {"roles": "agent"},
        {"roles": [5]},
        {"team": "a b"},
    ],
)
def test_a_token_with_wrong_claims_is_refused(changed: dict[str, Any]) -> None:
    claims = {name: value for name, value in {**CLAIMS, **changed}.items() if value is not None}
    with pytest.raises(NotAuthenticated):
        caller(signed(claims))


def test_a_forged_or_unsigned_token_is_refused() -> None:
    other = OKPKey.generate_key("Ed25519")
    with pytest.raises(NotAuthenticated):
        caller(signed(CLAIMS, other))
    with pytest.raises(NotAuthenticated):
        caller(signed(CLAIMS, kid="unknown"))
    with pytest.raises(NotAuthenticated):
        caller(f"{part({'alg': 'none', 'kid': 'okp'})}.{part(CLAIMS)}.")
    with pytest.raises(NotAuthenticated):
        caller(signed(CLAIMS)[:-4] + "AAAA")


def test_a_public_key_is_never_taken_for_a_shared_secret() -> None:
    text = f"{part({'alg': 'HS256', 'kid': 'rsa'})}.{part(CLAIMS)}"
    mac = hmac.digest(RSA.as_pem(private=False), text.encode(), "sha256")
    forged = f"{text}.{urlsafe_b64encode(mac).decode().rstrip('=')}"
    with pytest.raises(NotAuthenticated):
        caller(forged)


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", "Basic dTpw", "Bearer a", "Bearer a.b.c", "Bearer e30.e30.e30",
     "Bearer eyJraWQiOjV9.e30.e30", "Bearer " + "a" * 9000],
)  # fmt: skip
def test_what_is_no_token_is_refused(header: str | None) -> None:
    with pytest.raises(NotAuthenticated):
        asyncio.run(Authenticator(KEYS, lambda: REAL_S).caller(header))


def test_a_remembered_token_still_expires() -> None:
    now_s = [REAL_S]
    keys = Keys(okp=OKP)
    authenticator = Authenticator(keys, lambda: now_s[0])
    token = signed(CLAIMS)

    async def twice() -> None:
        first = await authenticator.caller(f"Bearer {token}")
        assert await authenticator.caller(f"Bearer {token}") is first
        now_s[0] += 60 + 31
        with pytest.raises(NotAuthenticated):
            await authenticator.caller(f"Bearer {token}")

    asyncio.run(twice())


@pytest.mark.parametrize("left", [None, OKPKey.generate_key("Ed25519")])
def test_a_remembered_token_goes_with_its_key(left: PublicKey | None) -> None:
    """The key was taken away, or another one has its id now."""
    keys = Keys(okp=OKP)
    authenticator = Authenticator(keys, lambda: REAL_S)
    token = signed(CLAIMS)
    asyncio.run(authenticator.caller(f"Bearer {token}"))
    keys.keys = {} if left is None else {"okp": left}
    with pytest.raises(NotAuthenticated):
        asyncio.run(authenticator.caller(f"Bearer {token}"))
    keys.keys = {"okp": OKP}
    assert asyncio.run(authenticator.caller(f"Bearer {token}")).actor == "agent:8812"


def test_remembering_is_bounded() -> None:
    authenticator = Authenticator(KEYS, lambda: REAL_S)
    entry = Remembered("okp", OKP, "00", REAL_S + 60, Caller("agent:1", frozenset()))
    authenticator._seen.update(
        {bytes([0]) + n.to_bytes(4): entry for n in range(CALLERS_CACHED_MAX)}
    )
    asyncio.run(authenticator.caller(f"Bearer {signed(CLAIMS)}"))
    assert len(authenticator._seen) == CALLERS_CACHED_MAX


def test_over_http_the_unknown_get_401_and_the_unentitled_403(
    sample: Sample, client: Client
) -> None:
    answer = client.get("/v1/jobs")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    headers = sample.headers("auditor")
    assert client.get("/v1/jobs", headers=headers).status_code == 200
    refused = client.post(f"/v1/jobs/{'0' * 32}/take", json={"team": "a"}, headers=headers)
    assert (refused.status_code, refused.json()["rule"]) == (403, "not-allowed")
    assert client.get("/v1/jobs", headers=sample.headers("cook")).status_code == 403


# -- keys -----------------------------------------------------------------------------------------


def test_the_signing_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    first = make_signing_key(tmp_path / "keys")
    again = make_signing_key(tmp_path / "keys")
    path = tmp_path / "keys" / "signing-key.json"
    assert first.kid == again.kid
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    published = json.loads((tmp_path / "keys" / "jwks.json").read_text())
    assert [sorted(key) for key in published["keys"]] == [["alg", "crv", "kid", "kty", "use", "x"]]
    assert "key=" not in repr(first)
    path.chmod(0o640)
    with pytest.raises(UnsafeKeyFile):
        load_signing_key(path)


def test_a_published_set_never_holds_a_private_key() -> None:
    with pytest.raises(ValueError, match="private key"):
        read_jwks(json.dumps({"keys": [{**OKP.as_dict(private=True), "kid": "x"}]}))


def test_keys_of_other_types_and_weak_ones_are_left_out() -> None:
    weak = {"kty": "RSA", "kid": "weak", "e": "AQAB", "n": "sXchDaQebHnPiGvyDOAT4saGEUetSyo9"}
    other_curve = {**ECKey.generate_key("P-384").as_dict(private=False), "kid": "p384"}
    encrypting = {**OKP.as_dict(private=False), "kid": "enc", "use": "enc"}
    shared = {"kty": "oct", "kid": "oct", "k": "c2VjcmV0"}
    good = {**OKP.as_dict(private=False), "kid": "good"}
    assert list(read_jwks(json.dumps({"keys": [weak, other_curve, encrypting, shared, good]}))) == [
        "good"
    ]


def key_set(**keys: PublicKey) -> str:
    return json.dumps(
        {"keys": [{**key.as_dict(private=False), "kid": kid} for kid, key in keys.items()]}
    )


def test_a_file_is_read_again_for_an_unknown_key_but_not_in_a_storm(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    path.write_text(key_set())
    now_s = [100.0]
    keys = JwksFile(path, lambda: now_s[0])

    def find() -> PublicKey | None:
        return asyncio.run(keys.find("k"))

    assert find() is None
    path.write_text(key_set(k=OKP))
    assert find() is None
    now_s[0] += 10
    assert find() is not None


def test_a_key_that_was_taken_out_of_the_file_is_good_for_a_minute_at_most(tmp_path: Path) -> None:
    """Docs, operations: "a key that is taken away counts for a minute at most"."""
    path = tmp_path / "jwks.json"
    path.write_text(key_set(k=OKP, stays=EC))
    now_s = [100.0]
    keys = JwksFile(path, lambda: now_s[0])

    def find(kid: str) -> PublicKey | None:
        return asyncio.run(keys.find(kid))

    first, stays = find("k"), find("stays")
    assert first is not None
    path.write_text(key_set(stays=EC))
    now_s[0] += 60
    assert find("k") is None
    assert find("stays") is stays, "the same key is the same object"
    path.write_text(key_set(k=OKPKey.generate_key("Ed25519"), stays=EC))
    now_s[0] += 60
    assert find("k") not in (None, first)


def test_keys_that_cannot_be_read_again_are_kept_for_an_hour(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    path.write_text(key_set(k=OKP))
    now_s = [100.0]
    keys = JwksFile(path, lambda: now_s[0])
    assert asyncio.run(keys.find("k")) is not None
    path.unlink()
    now_s[0] += KEYS_KEPT_S - 1
    assert asyncio.run(keys.find("k")) is not None
    now_s[0] += 1
    with pytest.raises(Unavailable):
        asyncio.run(keys.find("k"))
    path.write_text(key_set(k=OKP))
    now_s[0] += 10
    assert asyncio.run(keys.find("k")) is not None
    assert (KEYS_FRESH_S, KEYS_KEPT_S) == (60, 3600), "as docs/operations.md says"


def test_without_any_keys_the_answer_is_not_now(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        asyncio.run(JwksFile(tmp_path / "none.json", lambda: 0.0).find("k"))


def test_a_url_is_fetched_for_an_unknown_key_and_survives_its_absence() -> None:
    now_s, answers = [0.0], [500, 200, 500]
    fetched: list[int] = []

    def serve(_request: httpx.Request) -> httpx.Response:
        fetched.append(answers[len(fetched)])
        return httpx.Response(fetched[-1], text=key_set(k=OKP))

    async def story() -> None:
        async with httpx.AsyncClient(transport=httpx.MockTransport(serve)) as client:
            keys = JwksUrl("http://keys.test/jwks", lambda: now_s[0], client)
            for _ in range(2):
                with pytest.raises(Unavailable):
                    await keys.find("k")
            now_s[0] = 10
            assert await keys.find("k") is not None
            assert await keys.find("other") is None
            now_s[0] = 20
            assert await keys.find("other") is None
            assert await keys.find("k") is not None

    asyncio.run(story())
    assert fetched == [500, 200, 500]


def test_a_key_that_was_taken_out_of_the_url_is_good_for_a_minute_at_most() -> None:
    now_s, told = [0.0], [key_set(k=OKP)]
    fetched: list[float] = []

    async def serve(_request: httpx.Request) -> httpx.Response:
        fetched.append(now_s[0])
        await asyncio.sleep(0)
        return httpx.Response(200, text=told[0])

    async def story() -> None:
        async with httpx.AsyncClient(transport=httpx.MockTransport(serve)) as client:
            keys = JwksUrl("http://keys.test/jwks", lambda: now_s[0], client)
            assert await keys.find("k") is not None
            told[0] = key_set(other=EC)
            now_s[0] = 60
            found = await asyncio.gather(*(keys.find("k") for _ in range(5)))
            assert found == [None] * 5, "nobody goes by the old ones while they are fetched"

    asyncio.run(story())
    assert fetched == [0, 60], "many at once fetch once"


@pytest.mark.parametrize(
    "wrong",
    [{"actor": "张伟"}, {"roles": []}, {"roles": ["Agent"]}, {"lifetime_s": 0}, {"team": "a b"}],
)
def test_no_token_is_issued_that_would_not_be_taken(tmp_path: Path, wrong: dict[str, Any]) -> None:
    key = make_signing_key(tmp_path)
    asked: dict[str, Any] = {"actor": "agent:1", "roles": ["agent"], "real_now_s": REAL_S, **wrong}
    with pytest.raises(ValueError, match=r"actor|role|lives|team"):
        issue_token(key, **asked)
