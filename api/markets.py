"""Where assets are traded, and what the house sells."""

from api.call import Call
from api.catalogue import Listed, is_opened
from api.routing import Policy, Routes
from schemas import money
from schemas.bodies.markets import CryptoCurrency, Market, MarketsQuery
from schemas.errors import UNKNOWN_MARKET

routes = Routes("markets")
MARKET = r"markets/{symbol:[A-Z0-9]{1,16}-[A-Z0-9]{1,16}}"


@routes.get("markets", Policy.PUBLIC, query=MarketsQuery, answer=list[Market])
async def many(call: Call, query: MarketsQuery) -> list[Market]:
    """Every market that is not halted; with all=true those, too."""
    listing = await call.services.catalogue.fresh()
    return [
        shown(each)
        for each in listing.markets.values()
        if is_opened(each.market) and (query.all or each.market.status != "halted")
    ]


@routes.get(MARKET, Policy.PUBLIC, answer=Market, refusals=(UNKNOWN_MARKET,))
async def one(call: Call) -> Market:
    """One market."""
    listing = await call.services.catalogue.fresh()
    return shown(listing.market(call.part("symbol"), "symbol"))


@routes.get("exchanges/crypto-currencies", Policy.PUBLIC, answer=list[CryptoCurrency])
async def house(call: Call) -> list[CryptoCurrency]:
    """What the house sells, and for how much."""
    listing = await call.services.catalogue.fresh()
    sold = (each for each in listing.markets.values() if each.market.is_house and is_opened(each.market))
    return [
        CryptoCurrency(name=each.market.base, price=each.units.price_text(each.market.house_price_ticks))
        for each in sold
        if each.market.house_price_ticks is not None
    ]


def shown(listed: Listed) -> Market:
    """The market as clients see it."""
    market, units = listed.market, listed.units
    price = market.house_price_ticks
    return Market.model_construct(
        symbol=market.symbol,
        base=market.base,
        quote=market.quote,
        status=market.status,
        tick_size=str(units.tick),
        lot_size=str(units.lot),
        min_notional=money.money_text(market.min_notional_atoms, market.quote_scale),
        maker_fee_bps=market.maker_fee_bps,
        taker_fee_bps=market.taker_fee_bps,
        band_percent=money.units_text(market.band_bps, 2) if market.band_bps else None,
        house_price=None if price is None else units.price_text(price),
    )
