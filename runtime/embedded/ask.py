"""One HTTP GET by hand: importing an HTTP library takes longer than all the questions of `tidemark status` together.

It asks only our own sites, on a connection that the answer closes.
"""

import asyncio
import contextlib

from runtime.embedded.program import NotReady

TIMEOUT_S = 2.0


async def get(address: str, path: str, *, timeout_s: float = TIMEOUT_S) -> tuple[int, str]:
    """Status and body; raises NotReady when nobody answers in time."""
    host, _, port = address.rpartition(":")
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
            try:
                writer.write(f"GET {path} HTTP/1.0\r\nHost: {address}\r\nConnection: close\r\n\r\n".encode())
                raw = await reader.read()
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
    except TimeoutError:
        raise NotReady(f"{address} did not answer within {timeout_s:g} s") from None
    except OSError as error:
        raise NotReady(f"nobody answers at {address} ({error.strerror or error})") from error
    head, _, body = raw.decode("utf-8", errors="replace").partition("\r\n\r\n")
    status = head.split(" ", 2)[1:2]
    if not status or not status[0].isdigit():
        raise NotReady(f"{address} did not answer in HTTP")
    return int(status[0]), body
