"""Books that were put back from a backup are older than the topics: nobody works with them before they are recovered.

It is noted in them by `tidemark backup restore`; of a restore by other means nothing is known here.
"""

from ledger.connection import Connection, books
from ledger.queries import query
from runtime.embedded.program import Broken
from runtime.settings import Settings

UNRECOVERED = (
    "These books were restored from a backup and not recovered: run `tidemark recover books` while the servers run "
    "alone (`tidemark up --servers-only`)."
)


async def note_restore(connection: Connection) -> None:
    """From here on they are not to be used."""
    await connection.execute(query("restores.note"))


async def unrecovered(connection: Connection) -> str | None:
    """What has to be done first; None when nothing has."""
    return UNRECOVERED if await connection.fetchval(query("restores.last")) == "restore_books" else None


async def require_recovered(settings: Settings) -> None:
    """For a start, before anything is written."""
    async with books(settings) as connection:
        if reason := await unrecovered(connection):
            raise Broken(reason)
