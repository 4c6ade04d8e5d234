"""Servers that answer one thing, for those who ask: each is a real socket on a port of its own."""

import asyncio
import contextlib
from collections.abc import AsyncIterator


@contextlib.asynccontextmanager
async def answering(answer: bytes | dict[str, bytes] | None) -> AsyncIterator[str]:
    """The address of one that gives this answer to everything, or by HTTP path; None never answers."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        question = await reader.read(4096)
        if answer is None:
            await reader.read()
        elif isinstance(answer, dict):
            writer.write(answer.get(question.split()[1].decode(), b"HTTP/1.0 404 Not Found\r\n\r\n"))
        else:
            writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


def http(status: int, body: str) -> bytes:
    return f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n\r\n{body}".encode()
