"""Orders, purchases and fills as clients see them: whole numbers become decimal text, and nothing else happens."""

from typing import Any

from api.catalogue import Listed, Listing
from ledger.orders import Fill as FillRow
from ledger.orders import Order, Seen
from schemas import money, times
from schemas.bodies.orders import ExchangeOrder, Fill, OrderFill, Purchase


def answer(seen: Seen, listing: Listing) -> ExchangeOrder | Purchase:
    """Either kind of order."""
    listed = listing.markets[seen.order.market]
    return _purchase(seen.order, listed) if seen.order.kind == "purchase" else _exchange_order(seen, listed, listing)


def _exchange_order(seen: Seen, listed: Listed, listing: Listing) -> ExchangeOrder:
    order, units = seen.order, listed.units
    average = units.average_price_text(order.filled_quote_atoms, order.filled_lots) if order.filled_lots else None
    return ExchangeOrder.model_construct(
        id=order.id,
        market=order.market,
        side=order.side,
        type=order.kind,
        price=units.price_text(order.price_ticks) if order.kind == "limit" else None,
        amount=None if order.lots is None else units.lots_text(order.lots),
        filled=units.lots_text(order.filled_lots),
        remaining=None if order.lots is None else units.lots_text(order.lots - order.filled_lots),
        average_price=average,
        state=order.state,
        reason=order.reason,
        seq=order.seq,
        fills=[OrderFill.model_construct(**_fill(fill, listed, listing)) for fill in seen.fills],
        client_order_id=order.client_order_id,
        command_id=order.command_id,
        created_at=times.text(order.created_at),
        updated_at=times.text(order.updated_at),
    )


def _purchase(order: Order, listed: Listed) -> Purchase:
    """At the price that was paid, once it is; until then at the price that was shown."""
    units, lots = listed.units, order.lots or 0
    paid = order.filled_quote_atoms or units.quote_atoms(order.price_ticks, lots)
    price_ticks = paid // (lots * units.tick_lot_quote_atoms) if lots else order.price_ticks
    return Purchase.model_construct(
        id=order.id,
        crypto=listed.market.base,
        amount=units.lots_text(lots),
        price=units.price_text(price_ticks),
        total_price=money.money_text(paid, listed.market.quote_scale),
        state=order.state,
        reason=order.reason,
        is_aggregated=order.is_aggregated,
        batch_id=order.batch_id,
        seq=order.seq,
        client_order_id=order.client_order_id,
        command_id=order.command_id,
        created_at=times.text(order.created_at),
        updated_at=times.text(order.updated_at),
    )


def fill(row: FillRow, listing: Listing) -> Fill:
    """A fill by itself, in the list of a user's fills."""
    listed = listing.markets[row.market]
    return Fill.model_construct(
        **_fill(row, listed, listing),
        market=row.market,
        order_id=row.order_id,
        side=row.side,
        at=times.text(row.at),
    )


def _fill(row: FillRow, listed: Listed, listing: Listing) -> dict[str, Any]:
    """The fee was taken in what the side received."""
    received = listed.market.base if row.side == "buy" else listed.market.quote
    return {
        "trade_id": f"{row.market}-{row.trade_seq}",
        "price": listed.units.price_text(row.price_ticks),
        "amount": listed.units.lots_text(row.lots),
        "fee": listing.amount(received, row.fee_atoms),
        "fee_asset": received,
        "maker": row.is_maker,
    }
