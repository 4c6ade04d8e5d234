"""Commands that were written and not decided: claimed for sending again, each less and less often."""

import dataclasses

from ledger.connection import Connection
from ledger.queries import query


async def claim(connection: Connection, per_partition: int) -> list[int]:
    """The ids of what this process should send now; to be committed before anything is sent."""
    rows = await connection.fetch(query("relay.claim"), per_partition)
    return [row["id"] for row in rows]


@dataclasses.dataclass(frozen=True, slots=True)
class Waiting:
    """The commands that nobody has decided yet."""

    count: int
    oldest_s: int


async def waiting(connection: Connection) -> Waiting:
    """How many there are, and how long the oldest of them has been there."""
    (row,) = await connection.fetch(query("relay.waiting"))
    return Waiting(**row)
