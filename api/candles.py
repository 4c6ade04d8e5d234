"""A market's past, in candles of seven lengths. Where nothing traded there is no candle."""

from api import paging
from api.call import Call
from api.markets import MARKET
from api.routing import Policy, Routes
from ledger import market_data
from schemas import times
from schemas.bodies.market_data import LAST_MS, Candle, CandlesQuery
from schemas.bodies.pages import Page
from schemas.candles import INTERVALS
from schemas.candles import Candle as CandleRow
from schemas.errors import UNKNOWN_MARKET
from schemas.money import MarketUnits

routes = Routes("market data")


@routes.get(f"{MARKET}/candles", Policy.PUBLIC, query=CandlesQuery, answer=Page[Candle], refusals=(UNKNOWN_MARKET,))
async def candles(call: Call, query: CandlesQuery) -> dict[str, object]:
    """The candles of a market, newest first; the newest may still change."""
    symbol = call.part("symbol")
    listed = (await call.services.catalogue.with_market(symbol)).market(symbol, "symbol")
    before = min(paging.before(query), LAST_MS if query.to is None else query.to, LAST_MS)
    async with call.services.database.connection() as connection:
        rows = await market_data.candles(
            connection, symbol, INTERVALS[query.interval], query.from_ or 0, before, query.limit + 1
        )
    return paging.page(query, rows, lambda row: row.open_ms, lambda row: _shown(row, listed.units))


def _shown(candle: CandleRow, units: MarketUnits) -> Candle:
    return Candle.model_construct(
        open_time=times.text(times.from_epoch_ms(candle.open_ms)),
        open=units.price_text(candle.open_ticks),
        high=units.price_text(candle.high_ticks),
        low=units.price_text(candle.low_ticks),
        close=units.price_text(candle.close_ticks),
        volume=units.lots_text(candle.lots),
        trades=candle.trades,
    )
