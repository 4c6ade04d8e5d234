"""Redis' edge: a client whose every call is bounded. What is kept there is a view and may vanish at any time."""

import asyncio

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from runtime.settings import Settings, SettingsError

CONNECT_TIMEOUT_S = 2.0
CALL_TIMEOUT_S = 2.0
READY_TIMEOUT_S = 2.0
UNWELL: tuple[type[Exception], ...] = (RedisError, OSError)
"""What the world being unwell looks like from here; TimeoutError is an OSError."""


def client(settings: Settings, *, name: str = "process", max_connections: int = 256) -> redis.asyncio.Redis:
    """A client for commands and publishing. A cut connection is replaced once within the call; a slow one is not."""
    return _client(settings, name, CALL_TIMEOUT_S, max_connections)


def subscriber(settings: Settings, *, name: str = "process") -> redis.asyncio.Redis:
    """A client for `pubsub()`: silence on a channel is no error, so a dead peer is found by the ping instead."""
    return _client(settings, f"{name}-subscriber", None, 8, health_check_s=5)


def _client(
    settings: Settings, name: str, call_timeout_s: float | None, max_connections: int, health_check_s: int = 0
) -> redis.asyncio.Redis:
    if not settings.redis_host:
        raise SettingsError("REDIS_HOST is not set, and this process has no Redis of its own.")
    return redis.asyncio.Redis(
        host=settings.redis_host,
        port=settings.redis_port,
        password=settings.redis_password or None,
        client_name=settings.redis_key(f"tidemark-{name}"),
        socket_timeout=call_timeout_s,
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        socket_keepalive=True,
        health_check_interval=health_check_s,
        max_connections=max_connections,
        retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
        protocol=3,
    )


async def ready(connection: redis.asyncio.Redis) -> str | None:
    """None when the server answers a PING, else the reason: a part of a site."""
    try:
        async with asyncio.timeout(READY_TIMEOUT_S):
            await connection.ping()
    except UNWELL as error:
        return f"Redis does not answer ({type(error).__name__})."
    return None
