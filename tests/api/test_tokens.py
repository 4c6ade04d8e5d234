"""Forged, stale and twisted access tokens: each is refused, and none is remembered."""

import base64
import hashlib
import hmac
import json

import jwt
import pytest

from api.tokens import BACKDATED_S, LIFETIME_S, Access, AccessTokens, key_id
from schemas.errors import Refusal

NOW = 1_800_000_000
SECRET = "the secret of these tests, longer than 32 bytes"
OTHER = "another secret of these tests, longer than 32 bytes"
HEADER = {"alg": "HS256", "typ": "JWT", "kid": key_id(SECRET)}
CLAIMS = {
    "iss": "tidemark", "aud": "tidemark-api", "sub": "7", "typ": "access", "jti": "abc",
    "nbf": NOW - BACKDATED_S, "exp": NOW + LIFETIME_S,
}  # fmt: skip


def part(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def signed(header, claims, secret=SECRET, digest=hashlib.sha256):
    message = f"{part(header)}.{part(claims)}"
    signature = hmac.new(secret.encode(), message.encode(), digest).digest()
    return f"{message}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def without(name):
    return {key: value for key, value in CLAIMS.items() if key != name}


GOOD = signed(HEADER, CLAIMS)
FORGED = {
    "alg none without a signature": f"{part(HEADER | {'alg': 'none'})}.{part(CLAIMS)}.",
    "alg none with the good signature": f"{part(HEADER | {'alg': 'none'})}.{part(CLAIMS)}.{GOOD.rsplit('.', 1)[1]}",
    "alg None in capitals": f"{part(HEADER | {'alg': 'NONE'})}.{part(CLAIMS)}.",
    "a stronger algorithm than ours": signed(HEADER | {"alg": "HS512"}, CLAIMS, digest=hashlib.sha512),
    "an asymmetric name over our secret": signed(HEADER | {"alg": "RS256"}, CLAIMS),
    "another secret under our kid": signed(HEADER, CLAIMS, OTHER),
    "another secret under its own kid": signed(HEADER | {"kid": key_id(OTHER)}, CLAIMS, OTHER),
    "no kid": signed({"alg": "HS256", "typ": "JWT"}, CLAIMS),
    "a kid that is a path": signed(HEADER | {"kid": "../../dev/null"}, CLAIMS, ""),
    "a kid that is a number": signed(HEADER | {"kid": 7}, CLAIMS),
    "a key brought along": signed(HEADER | {"jwk": {"kty": "oct", "k": "AAAA"}}, CLAIMS),
    "an address of keys brought along": signed(HEADER | {"jku": "http://127.0.0.1/keys"}, CLAIMS),
    "a critical extension": signed(HEADER | {"crit": ["exp"]}, CLAIMS),
    "another typ in the header": signed(HEADER | {"typ": "JWS"}, CLAIMS),
    "changed claims under the old signature": f"{part(HEADER)}.{part(CLAIMS | {'sub': '1'})}.{GOOD.rsplit('.', 1)[1]}",
    "a cut signature": GOOD[:-4],
    "no signature": GOOD.rsplit(".", 1)[0] + ".",
    "two parts": GOOD.rsplit(".", 1)[0],
    "not base64": "a.b.c",
    "nothing": "",
    "letters outside ASCII": "ä.ö.ü",
    "a megabyte": "a" * (1 << 20),
    "another issuer": signed(HEADER, CLAIMS | {"iss": "elsewhere"}),
    "another audience": signed(HEADER, CLAIMS | {"aud": "elsewhere"}),
    "our audience among others": signed(HEADER, CLAIMS | {"aud": ["tidemark-api", "elsewhere"]}),
    "a refresh token's typ": signed(HEADER, CLAIMS | {"typ": "refresh"}),
    "a subject that is a number": signed(HEADER, CLAIMS | {"sub": 7}),
    "a subject with SQL": signed(HEADER, CLAIMS | {"sub": "7 or 1=1"}),
    "a subject past every id": signed(HEADER, CLAIMS | {"sub": "9" * 30}),
    "an empty id": signed(HEADER, CLAIMS | {"jti": ""}),
    "an end that is text": signed(HEADER, CLAIMS | {"exp": str(NOW + 60)}),
    "an end that is infinite": signed(HEADER, CLAIMS | {"exp": 1e300}),
    "a life of a year": signed(HEADER, CLAIMS | {"exp": NOW + 365 * 86400}),
    "a beginning in the future": signed(HEADER, CLAIMS | {"nbf": NOW + 60}),
    **{f"no {name}": signed(HEADER, without(name)) for name in CLAIMS},
}


@pytest.mark.parametrize("token", FORGED.values(), ids=list(FORGED))
def test_a_forged_token_is_refused(token):
    tokens = AccessTokens(SECRET)
    for _ in range(2):
        with pytest.raises(Refusal) as refused:
            tokens.verify(token, NOW)
        assert refused.value.code.name == "invalid_token"


def test_a_token_of_ours_says_who_calls_until_its_end():
    tokens = AccessTokens(SECRET)
    token = tokens.issue(7, NOW)
    access = tokens.verify(token, NOW)
    assert access == Access(7, access.token_id, NOW + LIFETIME_S)
    assert tokens.verify(token, NOW + LIFETIME_S - 0.001) is access, "verified once"


@pytest.mark.parametrize("is_remembered", [True, False])
def test_a_token_ends_on_time_even_when_it_is_remembered(is_remembered):
    tokens = AccessTokens(SECRET)
    token = tokens.issue(7, NOW)
    if is_remembered:
        tokens.verify(token, NOW)
    with pytest.raises(Refusal) as refused:
        tokens.verify(token, NOW + LIFETIME_S)
    assert refused.value.code.name == "token_expired"


def test_the_hand_made_token_is_the_one_that_all_forgeries_differ_from():
    assert AccessTokens(SECRET).verify(GOOD, NOW) == Access(7, "abc", NOW + LIFETIME_S)


def test_a_retired_key_verifies_and_does_not_sign():
    tokens = AccessTokens(SECRET, OTHER)
    assert tokens.verify(AccessTokens(OTHER).issue(7, NOW), NOW).user_id == 7
    assert jwt.get_unverified_header(tokens.issue(7, NOW))["kid"] == key_id(SECRET)


def test_only_so_many_tokens_are_remembered(monkeypatch):
    monkeypatch.setattr("api.tokens.MAX_REMEMBERED", 3)
    tokens = AccessTokens(SECRET)
    issued = [tokens.issue(number, NOW) for number in range(1, 6)]
    assert [tokens.verify(token, NOW).user_id for token in issued] == [1, 2, 3, 4, 5]
    assert list(tokens._remembered) == issued[2:]
