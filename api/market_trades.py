"""What was traded in a market, and what the house sold there, without anybody's name."""

from api import paging
from api.call import Call
from api.markets import MARKET
from api.routing import Policy, Routes
from ledger import market_data
from schemas import times
from schemas.bodies.market_data import MarketTrade
from schemas.bodies.pages import Page, PageQuery
from schemas.errors import UNKNOWN_MARKET
from schemas.money import MarketUnits

routes = Routes("market data")


@routes.get(f"{MARKET}/trades", Policy.PUBLIC, query=PageQuery, answer=Page[MarketTrade], refusals=(UNKNOWN_MARKET,))
async def trades(call: Call, query: PageQuery) -> dict[str, object]:
    """The trades of a market, newest first."""
    symbol = call.part("symbol")
    listed = (await call.services.catalogue.with_market(symbol)).market(symbol, "symbol")
    async with call.services.database.connection() as connection:
        rows = await market_data.trades(connection, symbol, paging.before(query), query.limit + 1)
    return paging.page(query, rows, lambda row: row.trade_seq, lambda row: _shown(symbol, row, listed.units))


def _shown(symbol: str, trade: market_data.Trade, units: MarketUnits) -> MarketTrade:
    return MarketTrade.model_construct(
        trade_id=f"{symbol}-{trade.trade_seq}",
        kind=trade.kind,
        price=units.price_text(trade.price_ticks),
        amount=units.lots_text(trade.lots),
        taker_side=trade.taker_side,
        at=times.text(trade.at),
    )
