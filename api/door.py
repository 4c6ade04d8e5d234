"""The one way in and out of every request: an id, the Host check, CORS, and every failure as the same JSON envelope.

Whatever happens behind it, the client gets one sentence and a request id, and never a stack trace; the log gets the
trace, under the same id.
"""

import functools
import http
import itertools
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pydantic_core
from aiohttp import web
from prometheus_client import Counter, Histogram

from api import cors
from api.call import REQUEST_ID
from api.database import LOST
from runtime.settings import Settings
from runtime.telemetry import logs, metrics
from schemas.errors import (
    INTERNAL,
    INVALID_HOST,
    MALFORMED,
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    TOO_LARGE,
    UNAVAILABLE,
    Refusal,
    unknown,
)

log = logging.getLogger("api")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
MAX_BODY = 64 * 1024
JSON = "application/json; charset=utf-8"
SLOW_S = 1.0
HEALTH = ("/live", "/ready")
SERVER = "tidemark"
_DRAWN = secrets.token_hex(6)
_COUNTED = itertools.count(1)


def new_request_id() -> str:
    """Unlike any other, of whatever instance: the process draws once and then counts."""
    return f"{_DRAWN}{next(_COUNTED):08x}"


def json_response(status: int, body: Any, headers: Mapping[str, str] | None = None) -> web.Response:
    """A body of models, lists and plain values; None is an empty answer."""
    if body is None:
        return web.Response(status=status, headers=headers)
    return web.Response(
        status=status, body=pydantic_core.to_json(body), headers={"Content-Type": JSON, **(headers or {})}
    )


def refused(refusal: Refusal, request_id: str) -> web.Response:
    return json_response(refusal.code.status, refusal.body(request_id), refusal.headers)


def door(settings: Settings) -> Any:
    """The middleware; everything else stands behind it."""
    known = functools.lru_cache(100)(functools.partial(_is_known, frozenset(settings.allowed_hosts)))
    origins = frozenset(settings.cors_origins)

    @web.middleware
    async def through(request: web.Request, handler: Handler) -> web.StreamResponse:
        request_id = request[REQUEST_ID] = new_request_id()
        began = time.perf_counter()
        with logs.about(request_id=request_id):
            response = await _guarded(request, handler, request_id, known, origins)
        response_ready(request, response, request_id, origins)
        _observe(request, response.status, time.perf_counter() - began)
        return response

    return through


def response_ready(
    request: web.Request, response: web.StreamResponse, request_id: str, origins: frozenset[str]
) -> None:
    """A response that has gone out already (a socket) has sent its headers by itself."""
    if response.prepared:
        return
    response.headers["X-Request-Id"] = request_id
    response.headers["Server"] = SERVER
    if origins and (origin := request.headers.get("Origin")):
        cors.allow(response, origin, origins)


async def _guarded(
    request: web.Request, handler: Handler, request_id: str, known: Callable[[str], bool], origins: frozenset[str]
) -> web.StreamResponse:
    try:
        _check_host(request, known)
        if origins and (preflight := cors.preflight(request, origins)):
            return preflight
        return await handler(request)
    except Refusal as refusal:
        return refused(refusal, request_id)
    except web.HTTPException as error:
        return error if error.status < 400 else refused(_from_http(request, error), request_id)
    except LOST as error:
        log.warning("a server behind went away during %s %s: %s", request.method, request.path, type(error).__name__)
        return refused(_lost(request), request_id)
    except Exception:
        log.exception("a fault of ours in %s %s", request.method, request.path)
        return refused(Refusal(INTERNAL, "Something went wrong here; the request id finds it in the log."), request_id)


def _check_host(request: web.Request, known: Callable[[str], bool]) -> None:
    """A page on another name that points at this address must not speak to us with a visitor's browser.

    Supervisors and load balancers ask for our health by address, whatever the names are; that tells a page nothing.
    """
    if not known(request.headers.get("Host", "")) and request.path not in HEALTH:
        raise Refusal(INVALID_HOST, "The Host header does not name this server; add the name to ALLOWED_HOSTS.")


def _is_known(hosts: frozenset[str], host: str) -> bool:
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    return "*" in hosts or name.lower() in hosts


def _from_http(request: web.Request, error: web.HTTPException) -> Refusal:
    """What aiohttp itself refuses, in our words."""
    match error:
        case web.HTTPMethodNotAllowed():
            allowed = ", ".join(sorted(error.allowed_methods))
            message = f"{request.method} is not possible here, only {allowed}."
            return Refusal(METHOD_NOT_ALLOWED, message, headers={"Allow": allowed})
        case web.HTTPRequestEntityTooLarge():
            return Refusal(TOO_LARGE, f"The body is over {MAX_BODY // 1024} KiB.")
        case web.HTTPNotFound():
            return Refusal(NOT_FOUND, "There is nothing at this path.")
    return Refusal(MALFORMED, f"The request cannot be understood: {error.reason}.")


def _lost(request: web.Request) -> Refusal:
    """A read did nothing; a write may or may not have been done, and we say so."""
    if request.method in ("GET", "HEAD"):
        return Refusal(UNAVAILABLE, "A server behind this one is away for the moment; try again.", retry_after_s=1)
    return unknown()


@functools.lru_cache(1000)
def _meters(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    """Looked up once per kind of request: to find a child of a metric by its labels costs more than to count."""
    return metrics.HTTP_REQUESTS.labels(method, route, str(status)), metrics.HTTP_SECONDS.labels(route)


def _observe(request: web.Request, status: int, took_s: float) -> None:
    resource = request.match_info.route.resource
    method, route = ("other", "none") if resource is None else (request.method, resource.canonical)
    counter, histogram = _meters(method, route, status)
    counter.inc()
    if status == http.HTTPStatus.SWITCHING_PROTOCOLS:
        return  # a socket's life is no answer's time
    histogram.observe(took_s)
    if took_s > SLOW_S:
        log.info("slow: %s %s answered %s in %.1f s", request.method, route, status, took_s)
