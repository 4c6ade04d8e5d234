"""What must be true of the servers before the first call: the schema is this release's, and the topics are there.

Topics are made here too, when they are missing, so that an API may be the first process of an installation to start.
"""

import asyncio
import logging

import asyncpg

from api.database import LOST, Database
from ledger.migrate import Applied, Migration, outstanding
from ledger.queries import query
from ledger.restores import unrecovered
from runtime import kafka
from runtime.embedded.program import Broken
from runtime.settings import Settings, SettingsError
from schemas.topics import TOPICS

log = logging.getLogger("api")
AGAIN_S = 1.0
AWAY: tuple[type[Exception], ...] = (SettingsError, *kafka.UNWELL)


class Preparation:
    """Two parts of `/ready`."""

    def __init__(self, settings: Settings, database: Database, known: tuple[Migration, ...]) -> None:
        self._settings = settings
        self._database = database
        self._known = known
        self._topics: str | None = "The topics have not been looked at yet."

    async def topics(self) -> str | None:
        return self._topics

    async def migrations(self) -> str | None:
        """None when the database has all migrations of this release and no other, and is not older than the topics."""
        try:
            async with self._database.connection() as connection:
                rows = await connection.fetch(query("migrate.applied"))
                missing = outstanding(self._known, tuple(Applied(**row) for row in rows))
                restored = None if missing else await unrecovered(connection)
        except asyncpg.UndefinedTableError:
            missing, restored = self._known, None
        except Broken as error:
            return str(error)
        except LOST as error:
            return f"PostgreSQL does not answer ({type(error).__name__})."
        return f"The database lacks migration {missing[0].name}: run `tidemark migrate`." if missing else restored

    async def make_topics(self) -> None:
        """As often as it takes."""
        while True:
            try:
                for difference in await kafka.ensure_topics(self._settings, TOPICS):
                    log.warning("a topic is not as the table says: %s", difference)
            except AWAY as error:
                self._topics = f"The topics are not there yet ({str(error) or type(error).__name__})."
                await asyncio.sleep(AGAIN_S)
            else:
                self._topics = None
                return
