"""Asks a server one question in its own protocol, by hand: is somebody there who serves?

The client libraries would answer better and take a second to import; `tidemark status` and `doctor` ask often. Any
answer but the right one raises NotReady with the reason.
"""

import asyncio
import contextlib
import struct

from runtime.embedded.program import NotReady
from runtime.settings import Settings

TIMEOUT_S = 2.0
POSTGRES_PROTOCOL = 196_608
POSTGRES_CANNOT_CONNECT_NOW = b"C57P03"
KAFKA_API_VERSIONS = 18
CORRELATION_ID = 7


async def knock_postgres(settings: Settings) -> None:
    """Begins a session and looks whether the server goes on with it; no password is sent."""
    names = (b"user", settings.postgres_user.encode(), b"database", settings.postgres_db.encode(), b"", b"")
    body = struct.pack("!i", POSTGRES_PROTOCOL) + b"\0".join(names)
    answer = await _exchange(f"{settings.postgres_host}:{settings.postgres_port}", _sized(body, itself=True), 512)
    if answer[:1] not in (b"R", b"E"):
        raise NotReady("it does not speak PostgreSQL's protocol")
    if answer[:1] == b"E" and POSTGRES_CANNOT_CONNECT_NOW in answer:
        raise NotReady("it is starting up or shutting down")


async def knock_valkey(settings: Settings) -> None:
    """PING, with the password if there is one."""
    password = settings.redis_password.encode()
    login = b"*2\r\n$4\r\nAUTH\r\n$%d\r\n%s\r\n" % (len(password), password) if password else b""
    answer = await _exchange(f"{settings.redis_host}:{settings.redis_port}", login + b"*1\r\n$4\r\nPING\r\n", 512)
    if not answer.startswith((b"+", b"-")):
        raise NotReady("it does not speak the protocol of Redis")
    if errors := [line for line in answer.decode(errors="replace").splitlines() if line.startswith("-")]:
        raise NotReady(f"it answered {errors[0].removeprefix('-')}")


async def knock_kafka(settings: Settings) -> None:
    """Asks which requests it knows, at the first of its addresses that answers."""
    request = struct.pack("!hhih", KAFKA_API_VERSIONS, 0, CORRELATION_ID, -1)
    reason = NotReady("KAFKA_BOOTSTRAP names no address")
    for address in (settings.kafka_bootstrap or "").split(","):
        try:
            answer = await _exchange(address.strip(), _sized(request, itself=False), 10)
            if len(answer) >= 10 and struct.unpack("!ih", answer[4:10]) == (CORRELATION_ID, 0):
                return
            reason = NotReady("it does not speak Kafka's protocol")
        except NotReady as error:
            reason = error
    raise reason


def _sized(body: bytes, *, itself: bool) -> bytes:
    """A message behind its length; PostgreSQL counts the length's own four bytes, Kafka does not."""
    return struct.pack("!i", len(body) + 4 * itself) + body


async def _exchange(address: str, question: bytes, limit: int) -> bytes:
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise NotReady(f"{address!r} is not of the form host:port")
    try:
        async with asyncio.timeout(TIMEOUT_S):
            reader, writer = await asyncio.open_connection(host, int(port))
            try:
                writer.write(question)
                return await reader.read(limit)
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
    except TimeoutError:
        raise NotReady(f"{address} did not answer within {TIMEOUT_S:g} s") from None
    except OSError as error:
        raise NotReady(f"nobody answers at {address} ({error.strerror or error})") from error
