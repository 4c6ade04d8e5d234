"""Access tokens: JWT signed with HS256 by a key from our own table, good for fifteen minutes.

The header names nothing that we follow: the algorithm list is fixed, `kid` only picks a row of our table, and every
claim is required and checked. A verified token is remembered, so that it is not verified again; its time is looked at
on every use.
"""

import dataclasses
import hashlib
import secrets
from collections.abc import Mapping
from typing import Any

import jwt

from schemas.errors import INVALID_TOKEN, TOKEN_EXPIRED, Refusal

ALGORITHM = "HS256"
ISSUER = "tidemark"
AUDIENCE = "tidemark-api"
ACCESS = "access"
LIFETIME_S = 15 * 60
BACKDATED_S = 10
"""Tokens begin a little in the past, so that another host whose clock is behind takes them at once."""
REQUIRED = ["iss", "aud", "exp", "nbf", "sub", "jti", "typ"]
HEADER = frozenset({"alg", "typ", "kid"})
MAX_LENGTH = 2048
MAX_REMEMBERED = 50_000


@dataclasses.dataclass(frozen=True, slots=True)
class Access:
    """What a good token says."""

    user_id: int
    token_id: str
    expires_at: int


def key_id(secret: str) -> str:
    """The name of a key, which tells nothing about it."""
    return hashlib.sha256(b"tidemark key id\0" + secret.encode()).hexdigest()[:16]


class AccessTokens:
    """Issues and verifies; the first secret signs, all of them verify, so that a key can be changed without a gap."""

    def __init__(self, secret: str, *retired: str) -> None:
        self._keys = {key_id(each): each for each in (secret, *retired)}
        self._signing = key_id(secret)
        self._remembered: dict[str, Access] = {}

    def issue(self, user_id: int, now_s: int) -> str:
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(user_id),
            "typ": ACCESS,
            "jti": secrets.token_hex(16),
            "nbf": now_s - BACKDATED_S,
            "exp": now_s + LIFETIME_S,
        }
        return jwt.encode(claims, self._keys[self._signing], algorithm=ALGORITHM, headers={"kid": self._signing})

    def verify(self, token: str, now_s: float) -> Access:
        """Who the token stands for, or a refusal; nothing that is forged gets far enough to be remembered."""
        access = self._remembered.get(token)
        if access is None:
            access = self._verified(token, now_s)
            while len(self._remembered) >= MAX_REMEMBERED:
                del self._remembered[next(iter(self._remembered))]
            self._remembered[token] = access
        if now_s >= access.expires_at:
            self._remembered.pop(token, None)
            raise _expired()
        return access

    def _verified(self, token: str, now_s: float) -> Access:
        if len(token) > MAX_LENGTH:
            raise _invalid()
        try:
            claims = jwt.decode(
                token,
                self._key(token),
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=ISSUER,
                options={"require": REQUIRED, "verify_exp": False, "verify_nbf": False, "verify_iat": False},
            )
        except (jwt.InvalidTokenError, UnicodeError):
            raise _invalid() from None
        return _access(claims, now_s)

    def _key(self, token: str) -> str:
        header = jwt.get_unverified_header(token)
        if header.keys() != HEADER or header["alg"] != ALGORITHM or header["typ"] != "JWT":
            raise _invalid()
        key = self._keys.get(header["kid"]) if isinstance(header["kid"], str) else None
        if key is None:
            raise _invalid()
        return key


def _access(claims: Mapping[str, Any], now_s: float) -> Access:
    """Checks types and times against a clock that is given: PyJWT would read its own."""
    subject, token_id, begins, ends = claims["sub"], claims["jti"], claims["nbf"], claims["exp"]
    if claims["typ"] != ACCESS or claims["aud"] != AUDIENCE or not isinstance(token_id, str) or not token_id:
        raise _invalid()
    if type(begins) is not int or type(ends) is not int or not 0 < ends - begins <= LIFETIME_S + BACKDATED_S:
        raise _invalid()
    if not (isinstance(subject, str) and subject.isascii() and subject.isdigit() and len(subject) <= 18):
        raise _invalid()
    if now_s < begins:
        raise _invalid()
    if now_s >= ends:
        raise _expired()
    return Access(int(subject), token_id, ends)


def _invalid() -> Refusal:
    return Refusal(INVALID_TOKEN, "The access token is not one of ours; log in again.", headers=CHALLENGE)


def _expired() -> Refusal:
    return Refusal(TOKEN_EXPIRED, "The access token has expired; use the refresh token.", headers=CHALLENGE)


CHALLENGE = {"WWW-Authenticate": 'Bearer realm="tidemark"'}
