"""Keys by which a client asks again: one name space per user, each for one body for ever.

Orders and transfers keep theirs within their own statements; everything else comes here.
"""

import dataclasses

from ledger.connection import Connection
from ledger.queries import query
from ledger.transfer_rules import FormerUse


@dataclasses.dataclass(frozen=True, slots=True)
class Key:
    """A user's name for what he asks, and the digest of the body that it goes with."""

    user_id: int
    name: str
    digest: str


async def former_use(connection: Connection, key: Key) -> FormerUse | None:
    """None while nobody has used it."""
    row = await connection.fetchrow(query("keys.former_use"), key.user_id, key.name)
    return None if row is None else FormerUse(**row)


async def keep(connection: Connection, key: Key, subject: str, subject_id: int) -> None:
    """In the transaction of what it names; raises UniqueViolationError when a rival was faster."""
    await connection.execute(query("keys.keep"), key.user_id, key.name, key.digest, subject, subject_id)
