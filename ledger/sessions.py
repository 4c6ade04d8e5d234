"""Login sessions: families of refresh tokens, rotated at every use; a token that is used twice ends its family.

The token itself is 256 random bits and is never stored, only its hash; whoever reads the table cannot log in.
"""

import dataclasses
import datetime
import enum
import hashlib
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from ledger.connection import Connection
from ledger.queries import query

LIFETIME = datetime.timedelta(days=30)


class Verdict(enum.Enum):
    """What a refresh token is worth, in order of precedence."""

    UNKNOWN = "unknown"
    ENDED = "ended"
    REUSED = "reused"
    EXPIRED = "expired"
    GOOD = "good"


@dataclasses.dataclass(frozen=True, slots=True)
class Refreshed:
    """The verdict and, when it is good, whose session goes on with which token."""

    verdict: Verdict
    user_id: int | None = None
    refresh: str | None = None


def judge(row: Mapping[str, Any] | None) -> Verdict:
    """The rule: a spent token in a family that lives means that somebody else has it too."""
    if row is None:
        return Verdict.UNKNOWN
    if row["has_ended"]:
        return Verdict.ENDED
    if row["is_spent"]:
        return Verdict.REUSED
    return Verdict.EXPIRED if row["is_expired"] else Verdict.GOOD


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


async def begin(connection: Connection, user_id: int) -> str:
    """Starts a session and gives its first refresh token."""
    token = secrets.token_urlsafe(32)
    await connection.execute(query("sessions.begin"), user_id, _hash(token), LIFETIME)
    return token


async def refresh(connection: Connection, token: str) -> Refreshed:
    """Spends the token for the next one. The caller commits whatever the verdict is: what has ended stays ended."""
    row = await connection.fetchrow(query("sessions.lock"), _hash(token))
    verdict = judge(None if row is None else dict(row))
    if row is None or verdict is Verdict.UNKNOWN:
        return Refreshed(verdict)
    if verdict is Verdict.REUSED:
        await connection.execute(query("sessions.end"), row["family_id"], "reuse")
    if verdict is not Verdict.GOOD:
        return Refreshed(verdict)
    following = secrets.token_urlsafe(32)
    await connection.execute(query("sessions.rotate"), _hash(token), _hash(following), LIFETIME)
    return Refreshed(verdict, row["user_id"], following)


async def end(connection: Connection, token: str, user_id: int | None = None) -> None:
    """Ends the token's family, if there is one (and, when a user is given, if it is his)."""
    row = await connection.fetchrow(query("sessions.lock"), _hash(token))
    if row is not None and user_id in (None, row["user_id"]):
        await connection.execute(query("sessions.end"), row["family_id"], "logout")


async def end_all(connection: Connection, user_id: int, reason: str) -> None:
    """Ends every session of a user, as a new password must."""
    await connection.execute(query("sessions.end_all"), user_id, reason)


@dataclasses.dataclass(frozen=True, slots=True)
class Profile:
    """A user as he sees himself; a customer without a login has a name instead of a username."""

    id: int
    username: str | None
    name: str | None
    is_admin: bool
    created_at: datetime.datetime


async def profiles(connection: Connection, user_ids: Sequence[int]) -> dict[int, Profile]:
    rows = await connection.fetch(query("sessions.profiles"), user_ids)
    return {row["id"]: Profile(**row) for row in rows}


async def credentials(connection: Connection, username: str) -> tuple[int, str | None] | None:
    """Id and password hash of the user of this name; the hash is None where he cannot log in."""
    row = await connection.fetchrow(query("sessions.credentials"), username)
    return None if row is None else (row["id"], row["password_hash"])


async def password_hash(connection: Connection, user_id: int) -> str | None:
    stored: str | None = await connection.fetchval(query("sessions.lock_password"), user_id)
    return stored


async def set_password(connection: Connection, user_id: int, stored: str) -> None:
    await connection.execute(query("sessions.set_password"), user_id, stored)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """One line of the log of what admins did and who logged in."""

    actor_id: int | None
    action: str
    subject: str | None
    detail: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    address: str
    request_id: str


async def audit(connection: Connection, line: Audit) -> None:
    await connection.execute(
        query("sessions.audit"),
        line.actor_id,
        line.action,
        line.subject,
        dict(line.detail),
        line.address,
        line.request_id,
    )
