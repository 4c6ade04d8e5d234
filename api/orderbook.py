"""The order book of a market, as deep as asked for, and not older than the caller's own last change."""

from api.call import Call
from api.markets import MARKET
from api.routing import Policy, Routes
from schemas.bodies.market_data import OrderBook, OrderBookQuery
from schemas.errors import UNAVAILABLE, UNKNOWN_MARKET

routes = Routes("market data")


@routes.get(
    f"{MARKET}/orderbook",
    Policy.PUBLIC,
    query=OrderBookQuery,
    answer=OrderBook,
    refusals=(UNKNOWN_MARKET, UNAVAILABLE),
)
async def orderbook(call: Call, query: OrderBookQuery) -> OrderBook:
    """The best levels of both sides; with min_seq, once the view has reached that execution."""
    symbol = call.part("symbol")
    listing = await call.services.catalogue.with_market(symbol)
    listing.market(symbol, "symbol")
    book = await call.services.views.book(symbol, query.min_seq)
    return OrderBook.model_construct(
        market=book.market,
        seq=book.seq,
        bids=list(book.bids[: query.depth]),
        asks=list(book.asks[: query.depth]),
        at=book.at,
    )
