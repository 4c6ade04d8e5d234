"""Which other origins a browser may call us from: those that the setting names, and no cookie ever."""

from aiohttp import web

ALLOWED_METHODS = "GET, POST, PUT, PATCH, DELETE"
ALLOWED_HEADERS = "Authorization, Content-Type, Idempotency-Key, X-API-Key, X-Timestamp, X-Signature, X-Recv-Window"
EXPOSED_HEADERS = "X-Request-Id, Retry-After, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset"
MAX_AGE_S = "600"


def allow(response: web.StreamResponse, origin: str, origins: frozenset[str]) -> None:
    """Adds what a browser needs to hand the answer to its page; nothing for an origin that is not named."""
    response.headers.add("Vary", "Origin")
    if origin in origins or "*" in origins:
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = EXPOSED_HEADERS


def preflight(request: web.Request, origins: frozenset[str]) -> web.Response | None:
    """The answer to a browser's question before the call, or None when the request is none."""
    if request.method != "OPTIONS" or "Access-Control-Request-Method" not in request.headers:
        return None
    origin = request.headers.get("Origin", "")
    if origin not in origins and "*" not in origins:
        return None
    return web.Response(
        status=204,
        headers={
            "Access-Control-Allow-Methods": ALLOWED_METHODS,
            "Access-Control-Allow-Headers": ALLOWED_HEADERS,
            "Access-Control-Max-Age": MAX_AGE_S,
        },
    )
