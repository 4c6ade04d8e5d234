"""One plain connection to the books, for work that waits as long as it must: migrations, seed, dump.

Everything that serves requests uses the pool in `runtime/postgres.py`, whose time limits would be wrong here.
"""

import contextlib
from collections.abc import AsyncIterator

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from runtime.embedded.program import Broken
from runtime.settings import Settings

CONNECT_TIMEOUT_S = 10

Connection = asyncpg.Connection | PoolConnectionProxy


@contextlib.asynccontextmanager
async def books(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    """Connected, with the namespace's schema as the only one in sight; Broken says why that cannot be."""
    address = f"{settings.postgres_host}:{settings.postgres_port}"
    try:
        connection = await asyncpg.connect(
            host=settings.postgres_host,
            port=settings.postgres_port,
            database=settings.postgres_db,
            user=settings.postgres_user,
            password=settings.postgres_password or None,
            timeout=CONNECT_TIMEOUT_S,
            server_settings={"search_path": settings.postgres_schema, "timezone": "UTC"},
        )
    except (OSError, TimeoutError) as error:
        raise Broken(
            f"PostgreSQL does not answer at {address} ({type(error).__name__}): "
            "start everything with `make run`, or correct POSTGRES_HOST."
        ) from error
    except asyncpg.PostgresError as error:
        raise Broken(f"PostgreSQL at {address} refuses us: {error}.") from error
    try:
        yield connection
    finally:
        await connection.close(timeout=CONNECT_TIMEOUT_S)
