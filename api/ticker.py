"""A market's last 24 hours at one look."""

from api.call import Call
from api.markets import MARKET
from api.routing import Policy, Routes
from schemas.bodies.market_data import Ticker
from schemas.errors import UNAVAILABLE, UNKNOWN_MARKET

routes = Routes("market data")


@routes.get(f"{MARKET}/ticker", Policy.PUBLIC, answer=Ticker, refusals=(UNKNOWN_MARKET, UNAVAILABLE))
async def ticker(call: Call) -> Ticker:
    """Prices and volumes of the last 24 hours, and the best prices now."""
    symbol = call.part("symbol")
    (await call.services.catalogue.with_market(symbol)).market(symbol, "symbol")
    view = await call.services.views.ticker(symbol)
    return Ticker.model_construct(**{field: getattr(view, field) for field in Ticker.model_fields})
