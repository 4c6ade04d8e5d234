"""Which of the three servers are ours to start, and whether the others are what the settings say they are."""

import asyncio
import socket

import asyncpg
import redis.asyncio
import redis.exceptions
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from runtime.embedded.home import Home
from runtime.embedded.kafka import KafkaServer
from runtime.embedded.postgres import PostgresServer
from runtime.embedded.program import Program, Progress, quiet
from runtime.embedded.valkey import ValkeyServer
from runtime.settings import Settings

PATIENCE_S = 4.0


def servers(settings: Settings, home: Home, *, progress: Progress = quiet, train: bool = True) -> list[Program]:
    """The servers whose address is not set. `settings` are as loaded, before `resolve` fills the addresses in."""
    found: list[Program] = []
    if settings.kafka_bootstrap is None:
        found.append(KafkaServer(home, settings, progress=progress, train=train))
    if settings.postgres_host is None:
        found.append(PostgresServer(home, settings, progress=progress))
    if settings.redis_host is None:
        found.append(ValkeyServer(home, settings))
    return found


async def check_external(settings: Settings) -> list[str]:
    """One sentence for each server of somebody else's that does not answer as the settings say, in a few seconds."""
    checks = []
    if settings.postgres_host is not None:
        checks.append(_check_postgres(settings, settings.postgres_host))
    if settings.redis_host is not None:
        checks.append(_check_redis(settings, settings.redis_host))
    if settings.kafka_bootstrap is not None:
        checks.append(_check_kafka(settings.kafka_bootstrap))
    return [fault for fault in await asyncio.gather(*checks) if fault is not None]


async def _check_postgres(settings: Settings, host: str) -> str | None:
    where = f"PostgreSQL at {host}:{settings.postgres_port} (POSTGRES_HOST, POSTGRES_PORT)"
    try:
        async with asyncio.timeout(PATIENCE_S):
            connection = await asyncpg.connect(
                host=host,
                port=settings.postgres_port,
                user=settings.postgres_user,
                password=settings.postgres_password,
                database=settings.postgres_db,
                timeout=PATIENCE_S,
            )
            try:
                await connection.fetchval("SELECT 1")
            finally:
                connection.terminate()
    except (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError):
        return f"{where} refuses user {settings.postgres_user!r}: look at POSTGRES_USER and POSTGRES_PASSWORD."
    except asyncpg.InvalidCatalogNameError:
        return f"{where} has no database {settings.postgres_db!r}: create it, or look at POSTGRES_DB."
    except asyncpg.PostgresError as error:
        return f"{where} refuses: {error}."
    except asyncpg.InterfaceError as error:
        return f"{where} does not speak as PostgreSQL does: {error}."
    except (OSError, TimeoutError) as error:
        return f"{where} {_unreachable(error)}."
    return None


async def _check_redis(settings: Settings, host: str) -> str | None:
    where = f"Redis at {host}:{settings.redis_port} (REDIS_HOST, REDIS_PORT)"
    client = redis.asyncio.Redis(
        host=host,
        port=settings.redis_port,
        password=settings.redis_password or None,
        socket_connect_timeout=PATIENCE_S,
        socket_timeout=PATIENCE_S,
        retry=Retry(NoBackoff(), 0),
    )
    try:
        async with asyncio.timeout(PATIENCE_S):
            await client.ping()
    except redis.exceptions.AuthenticationError:
        return f"{where} refuses the password: look at REDIS_PASSWORD."
    except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, OSError, TimeoutError) as error:
        return f"{where} {_unreachable(error)}."
    except redis.exceptions.RedisError as error:
        return f"{where} does not answer as Redis does: {error}."
    finally:
        await client.aclose()
    return None


async def _check_kafka(bootstrap: str) -> str | None:
    """The first address that is a broker is enough; of none, the last fault is told."""
    fault = "KAFKA_BOOTSTRAP names no broker: write host:port."
    for address in filter(None, (part.strip() for part in bootstrap.split(","))):
        found = await _check_broker(address)
        if found is None:
            return None
        fault = found
    return fault


async def _check_broker(address: str) -> str | None:
    where = f"Kafka at {address} (KAFKA_BOOTSTRAP)"
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit():
        return f"{where} is not of the form host:port."
    try:
        async with asyncio.timeout(PATIENCE_S):
            _, writer = await asyncio.open_connection(host, int(port))
            writer.close()
    except (OSError, TimeoutError, OverflowError) as error:
        return f"{where} {_unreachable(error)}."
    admin = AIOKafkaAdminClient(bootstrap_servers=address, request_timeout_ms=int(PATIENCE_S * 500))
    try:
        async with asyncio.timeout(PATIENCE_S):
            await admin.start()
    except (KafkaError, OSError, TimeoutError):
        return f"{where} listens, but does not answer as a Kafka broker."
    finally:
        await admin.close()
    return None


def _unreachable(error: BaseException) -> str:
    if isinstance(error, TimeoutError | redis.exceptions.TimeoutError):
        return f"did not answer within {PATIENCE_S:.0f} s"
    if isinstance(error, socket.gaierror):
        return "has a name that cannot be found"
    if isinstance(error, ConnectionRefusedError) or "refused" in str(error):
        return "refuses the connection: nobody listens there"
    return f"cannot be reached ({getattr(error, 'strerror', None) or error})"
