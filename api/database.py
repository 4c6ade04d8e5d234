"""A connection to the books for one call, or an honest 503 before anything was done."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

import asyncpg

from runtime.postgres import UNWELL
from schemas.errors import UNAVAILABLE, Refusal, unavailable, unknown

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]
    Connection = asyncpg.pool.PoolConnectionProxy[asyncpg.Record]
else:
    Pool = asyncpg.Pool
    Connection = asyncpg.pool.PoolConnectionProxy

ACQUIRE_TIMEOUT_S = 2.0
LOST = UNWELL
"""PostgreSQL is not there, is full, gave up, or went away in the middle of a statement."""


class Database:
    """The pool, with the API's manners: bounded waits, and refusals instead of stack traces."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        try:
            connection = await self.pool.acquire(timeout=ACQUIRE_TIMEOUT_S)
        except LOST:
            raise unavailable("PostgreSQL") from None
        try:
            yield connection
        except asyncpg.InterfaceError as error:
            if _is_cut(connection):  # the library's word for our mistakes, which a cut connection is not
                raise asyncpg.ConnectionDoesNotExistError(f"cut inside a call: {error}") from error
            raise
        finally:
            await self.pool.release(connection)

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        async with self.connection() as connection, connection.transaction():
            yield connection

    async def rows(self, query: str, *arguments: Any) -> list[asyncpg.Record]:
        async with self.connection() as connection:
            return await connection.fetch(query, *arguments)

    async def row(self, query: str, *arguments: Any) -> asyncpg.Record | None:
        async with self.connection() as connection:
            return await connection.fetchrow(query, *arguments)


@contextlib.contextmanager
def written(command_id: int | None = None) -> Iterator[None]:
    """What stands before this is in the books, so from here on it would be untrue that nothing was done."""
    try:
        yield
    except LOST:
        raise unknown(command_id) from None
    except Refusal as refusal:
        if refusal.code is UNAVAILABLE and "outcome" not in refusal.beside:
            raise unknown(command_id) from None
        raise


def _is_cut(connection: Connection) -> bool:
    """A cut connection may have left the pool's hands already, and then even this question is an InterfaceError."""
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:
        return True
