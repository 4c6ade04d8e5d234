"""`python -m api.bare PORT`: the least that aiohttp can do for a read, an anchor for `tidemark bench api`.

One route, a token found in a dictionary, one model out; none of the API's checks, ids, counts and books.
"""

import asyncio
import sys

import pydantic_core
import uvloop
from aiohttp import web

from schemas.bodies.health import Time

KNOWN: dict[str | None, int] = {}


async def answer(request: web.Request) -> web.Response:
    epoch_ms = KNOWN.setdefault(request.headers.get("Authorization"), 1_700_000_000_000)
    body = pydantic_core.to_json(Time(time="2023-11-14T22:13:20.000Z", epoch_ms=epoch_ms))
    return web.Response(body=body, headers={"Content-Type": "application/json; charset=utf-8"})


async def serve(port: int) -> None:
    app = web.Application()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
