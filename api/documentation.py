"""The OpenAPI document, and two pages that show it, without anything from the internet."""

from aiohttp import web

from api.call import Call
from api.routing import API, Policy, Routes
from schemas.errors import NOT_FOUND, UNAVAILABLE, Refusal, not_found

routes = Routes("documents")
DOCUMENT: web.AppKey[bytes] = web.AppKey("openapi", bytes)
FILE = "{file:[a-z0-9.-]{1,40}}"
TYPES = {"js": "text/javascript", "css": "text/css", "png": "image/png"}
GUARD = (
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; script-src 'self'; "
    "worker-src blob:; connect-src 'self'; frame-ancestors 'none'"
)
HEAD = (
    '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Tidemark API</title>'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    f'<link rel="icon" href="{API}/swagger/favicon-32x32.png">'
)
SWAGGER = (
    f'{HEAD}<link rel="stylesheet" href="{API}/swagger/swagger-ui.css"></head>\n<body><div id="page"></div>\n'
    f'<script src="{API}/swagger/swagger-ui-bundle.js"></script><script src="{API}/swagger/start.js"></script>\n'
    "</body></html>\n"
)
START = (
    f'SwaggerUIBundle({{url: "{API}/openapi.json", dom_id: "#page", deepLinking: true, validatorUrl: null, '
    "persistAuthorization: true});\n"
)
REDOC = (
    f'{HEAD}</head>\n<body style="margin:0"><redoc spec-url="{API}/openapi.json" disable-search="false"></redoc>\n'
    f'<script src="{API}/redoc/redoc.standalone.js"></script></body></html>\n'
)


@routes.get("openapi.json", Policy.PUBLIC)
async def document(call: Call) -> web.Response:
    """This API as an OpenAPI 3.1 document."""
    return web.Response(body=call.request.app[DOCUMENT], content_type="application/json")


@routes.get("swagger", Policy.PUBLIC, refusals=(UNAVAILABLE,))
async def swagger(call: Call) -> web.Response:
    """Try every call in the browser."""
    return _page(call, SWAGGER)


@routes.get("redoc", Policy.PUBLIC, refusals=(UNAVAILABLE,))
async def redoc(call: Call) -> web.Response:
    """Read every call."""
    return _page(call, REDOC)


@routes.get(f"swagger/{FILE}", Policy.PUBLIC, refusals=(NOT_FOUND, UNAVAILABLE))
async def swagger_file(call: Call) -> web.Response:
    """A file of Swagger UI."""
    if call.part("file") == "start.js":
        return web.Response(text=START, content_type=TYPES["js"])
    return _file(call)


@routes.get(f"redoc/{FILE}", Policy.PUBLIC, refusals=(NOT_FOUND, UNAVAILABLE))
async def redoc_file(call: Call) -> web.Response:
    """A file of ReDoc."""
    return _file(call)


def _page(call: Call, text: str) -> web.Response:
    _require(call)
    return web.Response(text=text, content_type="text/html", headers={"Content-Security-Policy": GUARD})


def _file(call: Call) -> web.Response:
    _require(call)
    name = call.part("file")
    body = call.services.assets.files.get(name)
    if body is None:
        raise not_found("file")
    kind = TYPES[name.rpartition(".")[2]]
    return web.Response(body=body, content_type=kind, headers={"Cache-Control": "public, max-age=86400"})


def _require(call: Call) -> None:
    reason = call.services.assets.reason
    if reason is not None:
        raise Refusal(UNAVAILABLE, reason, retry_after_s=5)
