"""Taking orders out of the book, and making them smaller: commands that never overtake the order they are about."""

import asyncio
from collections.abc import Sequence
from typing import Any

from api import commanding, numbers, order_answers
from api.call import Call, Reply
from api.orders import ORDER, own
from api.routing import Policy, Routes
from ledger import orders as rows
from ledger.orders import OpenOrder, Seen
from schemas.bodies.orders import CancelAllQuery, Canceled, ExchangeOrder, Reduction
from schemas.errors import (
    INVALID_FIELD,
    MARKET_NOT_OPEN,
    NOT_FOUND,
    NOT_ON_LOT,
    NOT_SMALLER,
    ORDER_DONE,
    UNAVAILABLE,
    Refusal,
)

routes = Routes("orders")


@routes.delete(
    ORDER,
    Policy.TRADE,
    answer=ExchangeOrder,
    also={202: ExchangeOrder},
    refusals=(NOT_FOUND, ORDER_DONE, MARKET_NOT_OPEN, UNAVAILABLE),
)
async def cancel(call: Call) -> Reply:
    """Cancel an order; again 200 for one that is canceled already."""
    seen = await _exchange_order(call)
    if not seen.order.is_done:
        given = await commanding.give(
            call, seen.order.market, "cancel_order", {}, order_id=seen.order.id, behind=_unsent(seen)
        )
        seen = await call.services.orders.get(seen.order.id)
        if not seen.order.is_done:
            return await _undone(call, seen, given.outcome)
    if seen.order.state != "canceled":
        raise await _done(call, seen)
    return Reply(200, await _shown(call, seen))


@routes.delete("orders", Policy.TRADE, query=CancelAllQuery, answer=Canceled, refusals=(UNAVAILABLE,))
async def cancel_all(call: Call, query: CancelAllQuery) -> dict[str, Any]:
    """Cancel all of the caller's open orders, in one market or in all."""
    async with call.services.database.connection() as connection:
        open_orders = await rows.open_orders(connection, call.user.id, query.market)
    by_market: dict[str, list[OpenOrder]] = {}
    for order in open_orders:
        by_market.setdefault(order.market, []).append(order)
    await asyncio.gather(*(_cancel_in(call, market, orders) for market, orders in by_market.items()))
    async with call.services.database.connection() as connection:
        found = await rows.seen(connection, [order.id for order in open_orders])
    listing = await call.services.catalogue.recent()
    return {"results": [order_answers.answer(found[order.id], listing) for order in open_orders]}


async def _cancel_in(call: Call, market: str, orders: Sequence[OpenOrder]) -> None:
    behind = [order.command_id for order in orders if order.state == "pending"]
    await commanding.give(call, market, "cancel_all", {}, behind=behind)


@routes.patch(
    ORDER,
    Policy.TRADE,
    body=Reduction,
    answer=ExchangeOrder,
    also={202: ExchangeOrder},
    idempotent=True,
    refusals=(NOT_FOUND, ORDER_DONE, NOT_ON_LOT, NOT_SMALLER, MARKET_NOT_OPEN, UNAVAILABLE),
)
async def reduce(call: Call, body: Reduction) -> Reply:
    """Make the total quantity smaller; the order keeps its place in the queue."""
    seen = await _exchange_order(call)
    order = seen.order
    listing = await call.services.catalogue.recent()
    with numbers.refusing():
        lots = listing.markets[order.market].units.lots(body.amount)
    if order.is_done:
        raise await _done(call, seen)
    if lots == order.lots:
        return Reply(200, await _shown(call, seen))  # a retry of what was done
    if order.lots is None or not order.filled_lots < lots < order.lots:
        raise _not_smaller()
    given = await commanding.give(
        call, order.market, "reduce_order", {"lots": lots}, order_id=order.id, behind=_unsent(seen)
    )
    seen = await call.services.orders.get(order.id)
    if seen.order.lots == lots and given.outcome is not None:
        return Reply(200, await _shown(call, seen))
    if seen.order.is_done:
        raise await _done(call, seen)
    if given.outcome in ("not_above_filled", "not_smaller"):
        raise _not_smaller()
    return await _undone(call, seen, given.outcome)


async def _exchange_order(call: Call) -> Seen:
    seen = await own(call, call.number("order_id", "order"))
    if seen.order.kind == "purchase":
        raise Refusal(INVALID_FIELD, "order_id is a purchase, which cannot be changed.", "order_id")
    return seen


def _unsent(seen: Seen) -> list[int]:
    """The order's own command, while nobody knows whether the journal has it."""
    return [seen.order.command_id] if seen.order.state == "pending" else []


def _not_smaller() -> Refusal:
    return Refusal(NOT_SMALLER, "amount must be above what is filled and below the order's amount.", "amount")


async def _done(call: Call, seen: Seen) -> Refusal:
    shown = await _shown(call, seen)
    return Refusal(
        ORDER_DONE, f"The order is {seen.order.state} and cannot be changed any more.", beside={"order": shown}
    )


async def _undone(call: Call, seen: Seen, outcome: str | None) -> Reply:
    """Still open: undecided in time, or the market did not let it go."""
    shown = await _shown(call, seen)
    if outcome == "market_halted":
        raise Refusal(MARKET_NOT_OPEN, f"{seen.order.market} is halted now.", "market", beside={"order": shown})
    return Reply(202, shown)


async def _shown(call: Call, seen: Seen) -> Any:
    return order_answers.answer(seen, await call.services.catalogue.recent())
