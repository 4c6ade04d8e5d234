"""Connections to migrated books of their own, and the proof after every test that the books are right."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from ledger.accounts import NewUser, create_user
from ledger.connection import books
from ledger.reconcile import differences
from runtime import postgres
from runtime.settings import Settings


@pytest.fixture
async def pool(database: Settings) -> AsyncIterator[asyncpg.Pool]:
    """Connections as the processes have them; whatever the test did, the sums must agree after it."""
    connections = await postgres.pool(database, max_size=10, application="test")
    yield connections
    async with books(database) as connection:
        assert await differences(connection) == []
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
