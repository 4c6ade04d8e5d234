"""Users in the books: a row, a wallet in the home currency and the record that tells the topic, in one statement."""

import dataclasses

from ledger.connection import Connection
from ledger.queries import query

HOME_CURRENCY = "USD"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class NewUser:
    """Somebody who can log in has a username (folded to lower case) and a hash; a customer has only a name, and is
    told with the key and the digest of the body by which an admin asked for him."""

    username: str | None = None
    password_hash: str | None = None
    name: str | None = None
    is_admin: bool = False
    requested_by: int | None = None
    key: str | None = None
    digest: str = ""


async def create_user(connection: Connection, user: NewUser) -> int | None:
    """The new user's id; None when the username is taken."""
    user_id: int | None = await connection.fetchval(
        query("accounts.create"),
        user.username,
        user.password_hash,
        user.name,
        user.is_admin,
        HOME_CURRENCY,
        user.requested_by,
        user.key,
        user.digest,
    )
    return user_id


async def find_user(connection: Connection, username: str) -> int | None:
    """The id of the user of this name."""
    user_id: int | None = await connection.fetchval(query("accounts.find"), username)
    return user_id


async def set_password(connection: Connection, user_id: int, password_hash: str) -> None:
    """Gives the user a new password; every session of before ends."""
    await connection.execute(query("accounts.set_password"), user_id, password_hash)


async def make_admin(connection: Connection, user_id: int, password_hash: str) -> None:
    """Gives the user admin rights and a new password; every session of before ends."""
    await connection.execute(query("accounts.make_admin"), user_id, password_hash)
