"""Refuses what only a stopped exchange survives: nobody may work with books that are replaced or recovered.

Asked is PostgreSQL, which knows who is connected, on this machine or on another.
"""

from ledger.connection import books
from ledger.queries import query
from runtime.embedded.program import Broken
from runtime.postgres import session_name
from runtime.settings import Settings

PROCESSES = ("api", "wallet", "marketdata", "desk")
"""Those that are connected to the books as long as they live."""


async def require_stopped(settings: Settings) -> None:
    """Broken names the processes that still run."""
    names = {session_name(settings, process): process for process in PROCESSES}
    async with books(settings) as connection:
        rows = await connection.fetch(query("replay.connected"), list(names))
    if rows:
        running = ", ".join(sorted(names[row["application_name"]] for row in rows))
        raise Broken(
            f"The exchange is running on these books ({running}): stop it, start the servers alone with "
            "`tidemark up --servers-only`, and try again."
        )
