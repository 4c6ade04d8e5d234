"""Makes an aiohttp handler of a declared route: who calls, then the body, then the query, then the route's function."""

import asyncio
from typing import Any

from aiohttp import web

from api import identity, json_body, validation
from api.call import Call, Reply
from api.door import Handler, json_response
from api.routing import Route
from api.services import Services
from schemas.errors import MALFORMED, Refusal

BODY_TIMEOUT_S = 10.0


def endpoint(route: Route, services: Services) -> Handler:
    """Authentication comes before the body is read, so that a stranger costs little."""

    async def answer(request: web.Request) -> web.StreamResponse:
        caller = await identity.caller(request, route.policy, services)
        arguments: list[Any] = []
        sent: dict[str, Any] = {}
        if route.body is not None:
            sent = json_body.read(await _body(request))
            if isinstance(route.body, type):  # a route with several kinds of body tells them apart by itself
                arguments.append(validation.body(route.body, sent))
        if route.query is not None:
            arguments.append(validation.query(route.query, request.query))
        result = await route.handler(Call(request, services, caller, sent), *arguments)
        if isinstance(result, web.StreamResponse):
            return result
        if isinstance(result, Reply):
            return json_response(result.status, result.body, result.headers)
        return json_response(route.status, result)

    return answer


async def _body(request: web.Request) -> bytes:
    """A client that sends its body drop by drop does not keep us waiting."""
    try:
        if request.content.is_eof():  # it came with the head, as most do, and a clock would cost more than to read it
            return await request.read()
        async with asyncio.timeout(BODY_TIMEOUT_S):
            return await request.read()
    except TimeoutError:
        raise Refusal(MALFORMED, f"The body did not arrive within {BODY_TIMEOUT_S:.0f} seconds.") from None
    except web.RequestPayloadError:
        raise Refusal(MALFORMED, "The body ended before it was complete.") from None
