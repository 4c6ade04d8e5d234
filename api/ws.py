"""The address of the WebSocket: market data for everybody, and what is theirs for those who show a token on it."""

from aiohttp import web

from api.call import Call
from api.door import SERVER
from api.routing import Policy, Routes
from schemas.errors import FORBIDDEN, TOO_MANY_CONNECTIONS, UPGRADE_REQUIRED

routes = Routes("socket")


@routes.get("ws", Policy.PUBLIC, status=101, refusals=(UPGRADE_REQUIRED, FORBIDDEN, TOO_MANY_CONNECTIONS))
async def ws(call: Call) -> web.StreamResponse:
    """Order books, trades, tickers, candles, and after a token one's own orders and wallet, as they change.

    Frames are JSON objects. Say `{"op":"subscribe","channels":["orderbook:BTC-USD","trades:BTC-USD"]}`; channels are
    `orderbook:M`, `trades:M`, `ticker:M`, `candles:M:1m`, and after `{"op":"auth","token":"..."}` also `orders` and
    `wallet`. Data comes as `{"channel","type":"snapshot"|"delta"|"event","data"}`. After a cut, subscribe with
    `"since_seq":{"orderbook:BTC-USD":n}` to get what you missed instead of a snapshot. A slow reader is closed with
    4008; `{"op":"bye"}` comes before the server stops. `docs/MARKETDATA.md` has every frame, limit and closing code.
    """
    headers = {"X-Request-Id": call.request_id, "Server": SERVER}
    return await call.services.sockets.serve(call.request, call.address, headers)
