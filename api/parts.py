"""Opens and closes what calls need: the pool, Redis, the password threads, and the questions that `/ready` asks."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from api.attempts import Attempts
from api.catalogue import Catalogue
from api.database import Database, Pool
from api.preparation import Preparation
from api.readiness import Readiness
from api.services import Services
from api.tokens import AccessTokens
from api.users import User, Users
from ledger import migrate, reads, sessions
from runtime import kafka, postgres, redis
from runtime.passwords import Passwords
from runtime.settings import Settings

POOL_SIZE = 16
CLOSE_S = 3.0


@contextlib.asynccontextmanager
async def services(settings: Settings) -> AsyncIterator[Services]:
    """Everything, opened in order and closed in the opposite order. No server needs to be there yet."""
    async with contextlib.AsyncExitStack() as stack:
        pool = await postgres.pool(settings, min_size=0, max_size=POOL_SIZE, application="api")
        stack.push_async_callback(_close, pool)
        views = redis.client(settings, name="api")
        stack.push_async_callback(views.aclose)
        passwords = Passwords()
        stack.callback(passwords.close)
        database = Database(pool)
        preparation = Preparation(settings, database, migrate.read_migrations())
        await stack.enter_async_context(preparation.running())
        readiness = Readiness(
            {
                "postgres": lambda: postgres.ready(pool),
                "migrations": preparation.migrations,
                "kafka": lambda: kafka.ready(settings),
                "topics": preparation.topics,
                "redis": lambda: redis.ready(views),
            }
        )
        yield Services(
            settings=settings,
            database=database,
            readiness=readiness,
            tokens=AccessTokens(settings.jwt_secret_key),
            users=Users(lambda user_id: _user(database, user_id)),
            passwords=passwords,
            attempts=Attempts(),
            catalogue=Catalogue(lambda: _listing(database)),
        )


async def _close(pool: Pool) -> None:
    """In order when PostgreSQL is there, at once when it is not."""
    try:
        async with asyncio.timeout(CLOSE_S):
            await pool.close()
    except TimeoutError:
        pool.terminate()


async def _user(database: Database, user_id: int) -> User | None:
    async with database.connection() as connection:
        profile = await sessions.profile(connection, user_id)
    return None if profile is None else User(profile.id, profile.is_admin)


async def _listing(database: Database) -> tuple[list[reads.Currency], list[reads.Market]]:
    async with database.connection() as connection:
        return await reads.currencies(connection), await reads.markets(connection)
