"""What is refused before the journal, and what an accepted order is in whole numbers: pure, all it needs is given.

The engine decides again by the journal's rules; the door only spares everybody what cannot succeed. Whatever the door
lets through and the engine refuses is an order with the state `rejected`.
"""

import dataclasses

from api import numbers
from api.catalogue import Listed
from ledger.hold_rules import NewOrder
from ledger.reads import Market
from schemas import money
from schemas.bodies.orders import NewExchangeOrder, NewPurchase
from schemas.errors import (
    AMOUNT_TOO_LARGE,
    BELOW_MIN_NOTIONAL,
    MARKET_NOT_OPEN,
    NO_PRICE,
    OUTSIDE_BAND,
    Refusal,
)

WHOLE_BPS = 10_000


@dataclasses.dataclass(frozen=True, slots=True)
class Reference:
    """What the market's price is, as far as the door knows: from the book, else the last trade, else the house."""

    best_bid_ticks: int | None = None
    best_ask_ticks: int | None = None
    last_ticks: int | None = None
    house_ticks: int | None = None

    def opposite(self, side: str) -> int | None:
        """The best price that an order of this side would meet, or what stands in for it."""
        best = self.best_ask_ticks if side == "buy" else self.best_bid_ticks
        return next((ticks for ticks in (best, self.last_ticks, self.house_ticks) if ticks is not None), None)


@dataclasses.dataclass(frozen=True, slots=True)
class Origin:
    """Whose order it is, and under which name and fingerprint it was sent."""

    user_id: int
    placed_by: int | None
    key: str
    digest: str


def exchange_order(
    body: NewExchangeOrder, listed: Listed, reference: Reference, collar_bps: int, origin: Origin
) -> NewOrder:
    """The order in ticks, lots and atoms, with what it must hold; or the first rule that it breaks."""
    market, units = listed.market, listed.units
    _check_status(market, post_only=body.post_only)
    lots = quote_atoms = None
    with numbers.refusing():
        if body.price is not None:
            price_ticks = units.ticks(body.price)
        else:
            price_ticks = _protected(body.side, reference, collar_bps)
        if body.amount is not None:
            lots = units.lots(body.amount)
        if body.quote_amount is not None:
            quote_atoms = money.atoms(body.quote_amount, market.quote_scale, "quote_amount")
    if body.type == "limit":
        _check_band(market, price_ticks, reference)
    value = units.quote_atoms(price_ticks, lots) if lots is not None else quote_atoms or 0
    hold_asset, hold_atoms = market.quote, value
    if body.side == "sell":
        hold_asset, hold_atoms = market.base, units.base_atoms(lots or 0)
    _check_value(market, value, hold_atoms, "amount" if lots is not None else "quote_amount")
    return NewOrder(
        user_id=origin.user_id,
        placed_by=origin.placed_by,
        market=market.symbol,
        kind=body.type,
        side=body.side,
        time_in_force=body.time_in_force,
        post_only=body.post_only,
        self_trade=body.self_trade,
        lots=lots,
        quote_atoms=quote_atoms,
        price_ticks=price_ticks,
        hold_asset=hold_asset,
        hold_atoms=hold_atoms,
        key=origin.key,
        digest=origin.digest,
    )


def purchase(body: NewPurchase, listed: Listed, origin: Origin) -> NewOrder:
    """A purchase at the price that the house shows now."""
    market, units = listed.market, listed.units
    _check_status(market, post_only=False)
    price_ticks = market.house_price_ticks
    if price_ticks is None:
        raise Refusal(NO_PRICE, f"The house has no price for {body.crypto}.", "crypto")
    with numbers.refusing():
        lots = units.lots(body.amount)
    value = units.quote_atoms(price_ticks, lots)
    _check_value(market, value, units.base_atoms(lots), "amount")
    return NewOrder(
        user_id=origin.user_id,
        placed_by=origin.placed_by,
        market=market.symbol,
        kind="purchase",
        side="buy",
        lots=lots,
        price_ticks=price_ticks,
        hold_asset=market.quote,
        hold_atoms=value,
        key=origin.key,
        digest=origin.digest,
    )


def _check_status(market: Market, *, post_only: bool) -> None:
    if market.status == "open" or (market.status == "post_only" and post_only):
        return
    allowed = "only takes post-only orders" if market.status == "post_only" else f"is {market.status}"
    raise Refusal(MARKET_NOT_OPEN, f"{market.symbol} {allowed} now.", "market")


def _protected(side: str, reference: Reference, collar_bps: int) -> int:
    """How far a market order may go: the price it would meet, and the collar beyond it."""
    opposite = reference.opposite(side)
    if opposite is None:
        raise Refusal(NO_PRICE, "The market has no price yet, so a market order has no protection; give a limit.")
    if side == "buy":
        return -(-opposite * (WHOLE_BPS + collar_bps) // WHOLE_BPS)
    return max(1, opposite * (WHOLE_BPS - collar_bps) // WHOLE_BPS)


def _check_band(market: Market, price_ticks: int, reference: Reference) -> None:
    """Only against what the engine goes by, too: the last trade, else the house price."""
    centre = reference.last_ticks if reference.last_ticks is not None else reference.house_ticks
    if not market.band_bps or centre is None:
        return
    if abs(price_ticks - centre) * WHOLE_BPS > market.band_bps * centre:
        percent = money.units_text(market.band_bps, 2)
        raise Refusal(OUTSIDE_BAND, f"price is more than {percent} percent from the market's price.", "price")


def _check_value(market: Market, value: int, hold_atoms: int, field: str) -> None:
    if max(value, hold_atoms) > money.MAX_UNITS:
        raise Refusal(AMOUNT_TOO_LARGE, f"{field} makes a value larger than the books can count.", field)
    if value < market.min_notional_atoms:
        least = money.money_text(market.min_notional_atoms, market.quote_scale)
        raise Refusal(BELOW_MIN_NOTIONAL, f"{field} makes a value below the market's min_notional of {least}.", field)
