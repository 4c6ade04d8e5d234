"""Puts the door, the routes and the services together into one aiohttp application."""

import json
from collections.abc import Iterable

from aiohttp import web

from api.documentation import DOCUMENT
from api.door import MAX_BODY, door
from api.endpoint import endpoint
from api.openapi import document
from api.routing import Route
from api.services import Services


def application(services: Services, routes: Iterable[Route]) -> web.Application:
    """Every route answers directly with and without its trailing slash: two resources, one handler, no redirect."""
    rows = tuple(routes)
    app = web.Application(middlewares=[door(services.settings)], client_max_size=MAX_BODY)
    app[DOCUMENT] = json.dumps(document(rows), ensure_ascii=False).encode()
    for route in rows:
        handler = endpoint(route, services)
        for path in both(route.path):
            app.router.add_route(route.method, path, handler)
            if route.method == "GET":
                app.router.add_route("HEAD", path, handler)
    return app


def both(path: str) -> tuple[str, ...]:
    """The path without and with its last slash; the root and a file's name have one form only."""
    plain = path.rstrip("/")
    return (plain, plain + "/") if plain else ("/",)
