"""Taking orders out of the book, and making them smaller: commands that never overtake the order they are about."""

import asyncio
from collections.abc import Sequence
from typing import Any

from api import commanding, idempotency, numbers, order_answers
from api.call import Call, Reply
from api.commanding import Given
from api.database import written
from api.orders import ORDER, own
from api.routing import Policy, Routes
from ledger import orders as rows
from ledger.orders import OpenOrder, Seen
from schemas.bodies.orders import CancelAllQuery, Canceled, ExchangeOrder, Reduction
from schemas.errors import (
    IDEMPOTENCY_CONFLICT,
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
REDUCED = ("open", "partially_filled")
"""The states of an order that was made smaller; every other outcome is why it was not."""


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
    if seen.order.is_done:
        return await _canceled(call, seen)
    given = await commanding.give(call, seen.order.market, "cancel_order", {}, order=seen.order, behind=_unsent(seen))
    with written(given.command_id):
        seen = await call.services.orders.get(seen.order.id)
        if not seen.order.is_done:
            return await _undone(call, seen, given.outcome)
        return await _canceled(call, seen)


async def _canceled(call: Call, seen: Seen) -> Reply:
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
    given = await asyncio.gather(
        *(_cancel_in(call, market, orders) for market, orders in by_market.items()), return_exceptions=True
    )
    failures = [one for one in given if isinstance(one, BaseException)]
    if failures and len(failures) == len(given):
        raise failures[0]
    with written():
        if failures:
            raise failures[0]
        async with call.services.database.connection() as connection:
            found = await rows.seen(connection, [order.id for order in open_orders])
        listing = await call.services.catalogue.recent()
        return {"results": [order_answers.answer(found[order.id], listing) for order in open_orders]}


async def _cancel_in(call: Call, market: str, orders: Sequence[OpenOrder]) -> Given:
    behind = [order.command_id for order in orders if order.state == "pending"]
    return await commanding.give(call, market, "cancel_all", {}, behind=behind)


@routes.patch(
    ORDER,
    Policy.TRADE,
    body=Reduction,
    answer=ExchangeOrder,
    also={202: ExchangeOrder},
    idempotent=True,
    refusals=(NOT_FOUND, ORDER_DONE, NOT_ON_LOT, NOT_SMALLER, MARKET_NOT_OPEN, IDEMPOTENCY_CONFLICT, UNAVAILABLE),
)
async def reduce(call: Call, body: Reduction) -> Reply:
    """Make the total quantity smaller; the order keeps its place in the queue."""
    seen = await _exchange_order(call)
    key = idempotency.claim(call, f"reduce_order {seen.order.id}")
    if key is not None and (given := await commanding.repeated(call, key)) is not None:
        return await _reduced(call, seen.order.id, given)
    lots = await _smaller(call, seen, body)
    if lots == seen.order.lots:
        return Reply(200, await _shown(call, seen))  # nothing is to be done, so the key stays free
    arguments: dict[str, Any] = {"lots": lots}
    if key is not None:
        arguments |= {"key": key.name, "body_digest": key.digest}
    if call.user.id != seen.order.user_id:
        arguments["placed_by"] = call.user.id
    given = await commanding.give(
        call, seen.order.market, "reduce_order", arguments, order=seen.order, behind=_unsent(seen), key=key
    )
    return await _reduced(call, seen.order.id, given)


async def _smaller(call: Call, seen: Seen, body: Reduction) -> int:
    """The new total, or why it cannot be."""
    order, listing = seen.order, await call.services.catalogue.recent()
    with numbers.refusing():
        lots = listing.markets[order.market].units.lots(body.amount)
    if order.is_done:
        raise await _done(call, seen)
    if order.lots is None or not order.filled_lots < lots <= order.lots:
        raise _not_smaller()
    return lots


async def _reduced(call: Call, order_id: int, given: Given) -> Reply:
    """What became of it, and the order as it is now."""
    with written(given.command_id):
        seen = await call.services.orders.get(order_id)
        if given.outcome in REDUCED:
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
