"""The page at `/`: a short word and a link to everything."""

import html

from aiohttp import web

from api.call import Call
from api.routing import API, Policy, Routes

routes = Routes("pages", prefix="")

LINKS = (
    (f"{API}/swagger/", "Try every call in the browser (Swagger UI)"),
    (f"{API}/redoc/", "Read every call (ReDoc)"),
    (f"{API}/openapi.json", "The OpenAPI 3.1 document"),
    (f"{API}/markets/", "The markets"),
    (f"{API}/currencies/", "The currencies"),
    (f"{API}/exchanges/crypto-currencies/", "What the house sells, and for how much"),
    (f"{API}/time/", "The server's clock"),
    ("/live", "Is the process alive"),
    ("/ready", "Is every part ready"),
    ("/metrics", "Numbers for Prometheus"),
)
STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem;color-scheme:light dark}"
)


def _page() -> str:
    items = "\n".join(f'<li><a href="{html.escape(path)}">{html.escape(text)}</a></li>' for path, text in LINKS)
    return (
        "<!doctype html>\n"
        f'<html lang="en"><head><meta charset="utf-8"><title>Tidemark</title><style>{STYLE}</style></head>\n'
        "<body><h1>Tidemark</h1>\n<p>A spot crypto exchange whose journal is Kafka. Everything it can do is here:</p>\n"
        f"<ul>\n{items}\n</ul></body></html>\n"
    )


PAGE = _page()


@routes.get("/", Policy.PUBLIC)
async def root(_call: Call) -> web.Response:
    """The page that links everything."""
    return web.Response(text=PAGE, content_type="text/html")
