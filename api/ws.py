"""The address of the WebSocket: market data for everybody, and what is theirs for those who show a token on it."""

from aiohttp import web

from api.call import Call
from api.routing import Policy, Routes
from schemas.errors import FORBIDDEN, TOO_MANY_CONNECTIONS, UPGRADE_REQUIRED

routes = Routes("socket")


@routes.get("ws", Policy.PUBLIC, status=101, refusals=(UPGRADE_REQUIRED, FORBIDDEN, TOO_MANY_CONNECTIONS))
async def ws(call: Call) -> web.StreamResponse:
    """Order books, trades, tickers, candles, and after a token one's own orders and wallet, as they change."""
    return await call.services.sockets.serve(call.request, call.address)
