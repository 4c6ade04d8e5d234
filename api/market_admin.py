"""What admins do to markets: open one, change its terms, list a house price. All of it is decided by the journal."""

from typing import Any

from api import commanding, commands, markets, numbers
from api.call import Call, Reply
from api.catalogue import Listed, Listing
from api.commanding import Given
from api.database import written
from api.routing import Policy, Routes
from ledger import listings
from ledger.commands import CommandRow
from ledger.listings import NewMarket as MarketRow
from schemas import money
from schemas.bodies.commands import Command
from schemas.bodies.markets import (
    JournaledMarket,
    JournaledPrice,
    JournalPlace,
    Market,
    MarketChange,
    NewMarket,
    NewPrice,
)
from schemas.errors import (
    ALREADY_EXISTS,
    INVALID_FIELD,
    INVALID_MARKET,
    MISSING_FIELD,
    NOT_ON_TICK,
    UNAVAILABLE,
    UNKNOWN_ASSET,
    UNKNOWN_MARKET,
    Refusal,
)

routes = Routes("markets")
MAX_BAND_BPS = 1_000_000


@routes.post(
    "markets",
    Policy.ADMIN,
    body=NewMarket,
    answer=Market,
    status=201,
    also={202: Command},
    refusals=(ALREADY_EXISTS, INVALID_MARKET, UNKNOWN_ASSET, UNAVAILABLE),
)
async def add(call: Call, body: NewMarket) -> Reply:
    """Open a market; answered once it is in the journal."""
    commanding.require_journal(call)
    row = await _add(call, _terms(body, await call.services.catalogue.fresh()))
    given = await commanding.follow(call, row.command_id)
    if given.outcome is None:
        return Reply(202, _pending("open_market", given))
    with written(given.command_id):
        listed = (await call.services.catalogue.fresh()).markets[body.symbol]
    if listed.market.status == "rejected":
        raise Refusal(INVALID_MARKET, f"The journal refused this market: {given.outcome}.")
    return Reply(201, markets.shown(listed))


def _terms(body: NewMarket, listing: Listing) -> MarketRow:
    """The new market's row, or why there can be no such market."""
    if body.symbol != f"{body.base}-{body.quote}":
        raise Refusal(INVALID_FIELD, "symbol must be base and quote with a hyphen between.", "symbol")
    if body.base == body.quote:
        raise Refusal(INVALID_MARKET, "base and quote must be two currencies.", "quote")
    base, quote = listing.currency(body.base, "base"), listing.currency(body.quote, "quote")
    with numbers.refusing():
        return MarketRow(
            base=body.base,
            quote=body.quote,
            units=money.market_units(body.tick_size, body.lot_size, base.scale, quote.scale),
            maker_fee_bps=body.maker_fee_bps,
            taker_fee_bps=body.taker_fee_bps,
            band_bps=0 if body.band_percent is None else _band_bps(body.band_percent),
            min_notional_atoms=money.atoms(body.min_notional, quote.scale, "min_notional", lowest=0),
        )


def _band_bps(percent: Any) -> int:
    bps = money.atoms(percent, 2, "band_percent")
    if bps > MAX_BAND_BPS:
        raise Refusal(INVALID_FIELD, f"band_percent must be at most {MAX_BAND_BPS // 100}.", "band_percent")
    return bps


async def _add(call: Call, market: MarketRow) -> CommandRow:
    async with call.services.database.transaction() as connection:
        row = await listings.add_market(
            connection, market, partitions=call.services.settings.kafka_partitions, user_id=call.user.id
        )
        if row is None:
            raise Refusal(ALREADY_EXISTS, f"symbol is {market.symbol}, and there is such a market already.", "symbol")
        await call.audit(connection, "add_market", market.symbol)
    return row


@routes.patch(
    markets.MARKET,
    Policy.ADMIN,
    body=MarketChange,
    answer=JournaledMarket,
    also={202: Command},
    refusals=(UNKNOWN_MARKET, MISSING_FIELD, UNAVAILABLE),
)
async def change(call: Call, body: MarketChange) -> Reply:
    """Change a market's status, fees, band or min_notional; a band of null is no band."""
    listed = (await call.services.catalogue.fresh()).market(call.part("symbol"), "symbol")
    symbol = listed.market.symbol
    given = await commanding.give(call, symbol, "change_market", _changes(body, listed), audited=symbol)
    if given.verdict is None:
        return Reply(202, _pending("change_market", given))
    with written(given.command_id):
        listed = (await call.services.catalogue.fresh()).markets[symbol]
    return Reply(200, {**markets.shown(listed).model_dump(), "journal": _place(given)})


def _changes(body: MarketChange, listed: Listed) -> dict[str, object]:
    """The arguments of the command: only what was sent."""
    sent = body.model_fields_set
    if not sent:
        raise Refusal(MISSING_FIELD, "The body must have at least one of the fields that can change.")
    changes: dict[str, object] = {
        name: getattr(body, name)
        for name in ("status", "maker_fee_bps", "taker_fee_bps")
        if getattr(body, name) is not None
    }
    with numbers.refusing():
        if body.min_notional is not None:
            scale = listed.market.quote_scale
            changes["min_notional_atoms"] = money.atoms(body.min_notional, scale, "min_notional", lowest=0)
        if "band_percent" in sent:
            changes["band_bps"] = 0 if body.band_percent is None else _band_bps(body.band_percent)
    return changes


@routes.put(
    r"exchanges/crypto-currencies/{name:[A-Z0-9]{1,16}}/price",
    Policy.ADMIN,
    body=NewPrice,
    answer=JournaledPrice,
    also={202: Command},
    refusals=(UNKNOWN_ASSET, NOT_ON_TICK, UNAVAILABLE),
)
async def price(call: Call, body: NewPrice) -> Reply:
    """List the price at which the house sells a currency from here on."""
    name = call.part("name")
    listed = (await call.services.catalogue.fresh()).sold_in(name, "name")
    with numbers.refusing():
        ticks = listed.units.ticks(body.price)
    given = await commanding.give(call, listed.market.symbol, "list_price", {"price_ticks": ticks}, audited=name)
    if given.verdict is None:
        return Reply(202, _pending("list_price", given))
    if given.outcome != "price_listed":
        raise Refusal(INVALID_MARKET, f"The journal refused this price: {given.outcome}.", "price")
    return Reply(200, JournaledPrice(name=name, price=listed.units.price_text(ticks), journal=_place(given)))


def _place(given: Given) -> JournalPlace:
    verdict = given.verdict
    assert verdict is not None, "only a decided command has a place"
    place = commands.place(verdict.journal_partition, verdict.journal_offset)
    assert place is not None, "a decided command has a place"
    return place


def _pending(kind: str, given: Given) -> Command:
    """What to ask for later."""
    return Command(id=given.command_id, kind=kind, state="pending", outcome=None, order_id=None, journal=None)
