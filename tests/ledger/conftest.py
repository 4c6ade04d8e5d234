"""Connections to migrated books of their own."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from ledger.accounts import NewUser, create_user
from runtime import postgres
from runtime.settings import Settings


@pytest.fixture
async def pool(database: Settings) -> AsyncIterator[asyncpg.Pool]:
    """Connections as the processes have them."""
    connections = await postgres.pool(database, max_size=10, application="test")
    yield connections
    await connections.close()


@pytest.fixture
async def connection(pool: asyncpg.Pool) -> AsyncIterator[asyncpg.pool.PoolConnectionProxy]:
    async with pool.acquire() as one:
        yield one


@pytest.fixture
async def ada(connection: asyncpg.pool.PoolConnectionProxy) -> int:
    """A user with an empty wallet."""
    user_id = await create_user(connection, NewUser(username="ada", password_hash="-"))
    assert user_id is not None
    return user_id
