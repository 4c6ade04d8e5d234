"""Puts the door, the routes and the services together into one aiohttp application."""

import json
from collections.abc import Iterable

from aiohttp import web

from api.documentation import DOCUMENT
from api.door import MAX_BODY, door, new_request_id, refused
from api.endpoint import endpoint
from api.openapi import document
from api.routing import Route
from api.services import Services
from schemas.errors import MALFORMED, Refusal


def application(services: Services, routes: Iterable[Route]) -> web.Application:
    """Every route answers directly with and without its trailing slash: two resources, one handler, no redirect."""
    rows = tuple(routes)
    app = web.Application(middlewares=[door(services.settings)], client_max_size=MAX_BODY)
    app[DOCUMENT] = json.dumps(document(rows), ensure_ascii=False).encode()
    app.on_shutdown.append(lambda _app: services.sockets.close())
    for route in rows:
        handler = endpoint(route, services)
        for path in both(route.path):
            app.router.add_route(route.method, path, handler, expect_handler=_expect)
            if route.method == "GET":
                app.router.add_route("HEAD", path, handler, expect_handler=_expect)
    return app


def both(path: str) -> tuple[str, ...]:
    """The path with its last slash, as clients mostly write it and as it is looked for first, and without."""
    plain = path.rstrip("/")
    return (plain + "/", plain) if plain else ("/",)


async def _expect(request: web.Request) -> web.Response | None:
    """Asked before the door opens: a body may come, and of other expectations we know none."""
    if request.headers["Expect"].lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # what the answer itself has written so far, by which aiohttp knows its start
        return None
    request_id = new_request_id()
    response = refused(Refusal(MALFORMED, "Expect can only be 100-continue."), request_id)
    response.headers["X-Request-Id"] = request_id
    return response
