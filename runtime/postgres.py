"""PostgreSQL's edge: a pool whose every connection is bounded in time and finds its tables in its own schema.

A frozen client must not stall the exchange, so locks, idle transactions and transactions end by themselves. Numbers
inside JSON arrive as integers or `Decimal`, never as floats.
"""

import asyncio
import contextlib
import enum
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import TYPE_CHECKING, TypeAlias

import asyncpg
import msgspec
from asyncpg import exceptions

from runtime.settings import Settings, SettingsError

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
    Connection: TypeAlias = PoolConnectionProxy[asyncpg.Record]
else:  # the library's classes are generic for the type checker alone
    Pool = asyncpg.Pool
    Connection = asyncpg.Connection

CONNECT_TIMEOUT_S = 5.0
ACQUIRE_TIMEOUT_S = 10.0
COMMAND_TIMEOUT_S = 15.0
READY_TIMEOUT_S = 2.0
STATEMENTS = 512
OLDEST = 17
"""`transaction_timeout` came with this major version."""
UNWELL: tuple[type[Exception], ...] = (
    OSError,  # refused, reset; TimeoutError is one of these
    exceptions.PostgresConnectionError,  # cut in the middle: the outcome of a commit is then unknown
    exceptions.OperatorInterventionError,  # shut down, crashed, still starting, cancelled
    exceptions.InsufficientResourcesError,  # too many connections, disk or memory full
    exceptions.TransactionRollbackError,  # deadlock, serialization: the other one won
    exceptions.LockNotAvailableError,
    exceptions.IdleInTransactionSessionTimeoutError,
    exceptions.TransactionTimeoutError,
    exceptions.InternalClientError,  # the library's word while the server's last message is in and the end is not
)
"""What the world being unwell looks like from here: every step is idempotent and may be repeated."""
NO_ANSWER: tuple[type[Exception], ...] = (*UNWELL, exceptions.InterfaceError)


class Plans(enum.Enum):
    """Which plans the server may choose."""

    INDEXED = "indexed"
    """For set-based statements on the hot path: right from the first row of a database that was never analysed."""
    ANY = "any"
    """For reports, repairs and migrations, which read whole tables."""


def session_name(settings: Settings, application: str) -> str:
    """What a connection calls itself, so that one can see whose it is; PostgreSQL keeps 63 bytes."""
    return " ".join(filter(None, ("tidemark", settings.namespace, application)))[:63]


def _session(settings: Settings, application: str, plans: Plans, transaction_s: float) -> dict[str, str]:
    session = {
        "application_name": session_name(settings, application),
        "search_path": f'"{settings.postgres_schema}"',
        "timezone": "UTC",
        "lock_timeout": "5s",
        "idle_in_transaction_session_timeout": "5s",
        "transaction_timeout": f"{int(transaction_s * 1000)}ms",
        "jit": "off",  # compiling costs more than any statement here runs
        "tcp_keepalives_idle": "10",
        "tcp_keepalives_interval": "5",
        "tcp_keepalives_count": "3",
    }
    if plans is Plans.INDEXED:
        session |= {"enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off"}
    return session


class Session(asyncpg.Connection):
    """A connection that goes back to its pool as it is: nobody here changes a session, so nothing needs a reset.

    The library would spend a round trip on it after every use. What is open is still rolled back.
    """

    def get_reset_query(self) -> str:
        return ""


async def json_as_values(connection: asyncpg.Connection) -> None:
    """JSON columns are Python values."""
    for name in ("json", "jsonb"):
        await connection.set_type_codec(name, schema="pg_catalog", encoder=_encode, decoder=_decode)


_decoder = msgspec.json.Decoder(float_hook=Decimal)


def _encode(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _decode(text: str) -> object:
    return _decoder.decode(text)


async def pool(
    settings: Settings,
    *,
    min_size: int = 1,
    max_size: int = 10,
    application: str = "process",
    plans: Plans = Plans.INDEXED,
    transaction_s: float = 10.0,
) -> Pool:
    """A pool of connections; raises SettingsError when the server is older than what the books need."""
    try:
        return await asyncpg.create_pool(
            host=_host(settings),
            port=settings.postgres_port,
            user=settings.postgres_user,
            password=settings.postgres_password or None,
            database=settings.postgres_db,
            min_size=min_size,
            max_size=max_size,
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=max(COMMAND_TIMEOUT_S, transaction_s),
            statement_cache_size=STATEMENTS,
            max_inactive_connection_lifetime=0,  # a warm connection has its statements prepared
            server_settings=_session(settings, application, plans, transaction_s),
            init=json_as_values,
            connection_class=Session,
        )
    except exceptions.UndefinedObjectError as error:
        raise SettingsError(f"PostgreSQL at {_host(settings)} is older than {OLDEST}: {error}.") from error


def _host(settings: Settings) -> str:
    if not settings.postgres_host:
        raise SettingsError("POSTGRES_HOST is not set, and this process has no PostgreSQL of its own.")
    return settings.postgres_host


@contextlib.asynccontextmanager
async def connection(connections: Pool) -> AsyncIterator[Connection]:
    """A connection of the pool, on which each statement is a transaction of its own.

    When the connection is cut meanwhile, the library hides that behind an `InterfaceError`, the word for a mistake of
    ours; here it stays what it is, one of UNWELL.
    """
    async with connections.acquire(timeout=ACQUIRE_TIMEOUT_S) as one:
        try:
            yield one
        except exceptions.InterfaceError as error:
            if _is_cut(one):
                raise exceptions.ConnectionDoesNotExistError(f"cut while it was used: {error}") from error
            raise


@contextlib.asynccontextmanager
async def transaction(connections: Pool) -> AsyncIterator[Connection]:
    """One transaction on a connection of the pool: committed when the block ends, rolled back when it raises."""
    async with connection(connections) as one, one.transaction():
        yield one


def _is_cut(connection: Connection) -> bool:
    """A cut connection has already left the pool's hands, and even asking it is then an InterfaceError."""
    try:
        return connection.is_closed()
    except exceptions.InterfaceError:
        return True


async def ready(connections: Pool) -> str | None:
    """None when the server answers a query, else the reason: a part of a site."""
    try:
        async with asyncio.timeout(READY_TIMEOUT_S), connections.acquire() as connection:
            await connection.execute("SELECT 1")
    except NO_ANSWER as error:
        return f"PostgreSQL does not answer ({type(error).__name__})."
    return None
