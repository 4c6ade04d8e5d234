"""Orders: placing one or many, trying one, looking at them."""

import asyncio
from typing import Any

from api import idempotency, order_answers, paging, placing
from api.call import Call, Reply
from api.database import written
from api.routing import Policy, Routes
from ledger import orders as rows
from ledger.orders import Filter, Seen
from schemas.bodies.orders import (
    BatchOutcomes,
    ExchangeOrder,
    Fill,
    FillsQuery,
    NewExchangeOrder,
    NewOrders,
    NewPurchase,
    Nothing,
    OrdersQuery,
    PlaceQuery,
    Purchase,
)
from schemas.bodies.pages import Page
from schemas.errors import (
    AMOUNT_TOO_LARGE,
    BELOW_MIN_NOTIONAL,
    IDEMPOTENCY_CONFLICT,
    INSUFFICIENT_FUNDS,
    INVALID_FIELD,
    MARKET_NOT_OPEN,
    NO_PRICE,
    NOT_FOUND,
    NOT_ON_LOT,
    NOT_ON_TICK,
    OUTSIDE_BAND,
    TOO_MANY_OPEN_ORDERS,
    TWO_KEYS,
    UNAVAILABLE,
    UNKNOWN_ASSET,
    UNKNOWN_MARKET,
    Refusal,
    not_found,
)

routes = Routes("orders")
ORDER = r"orders/{order_id:\d{1,19}}"
AT_THE_DOOR = (
    TWO_KEYS, UNKNOWN_MARKET, UNKNOWN_ASSET, IDEMPOTENCY_CONFLICT, INSUFFICIENT_FUNDS, AMOUNT_TOO_LARGE, NOT_ON_TICK,
    NOT_ON_LOT, BELOW_MIN_NOTIONAL, OUTSIDE_BAND, NO_PRICE, MARKET_NOT_OPEN, TOO_MANY_OPEN_ORDERS,
)  # fmt: skip


@routes.post(
    "orders",
    Policy.TRADE,
    body=NewExchangeOrder | NewPurchase,
    query=PlaceQuery,
    answer=ExchangeOrder | Purchase,
    status=201,
    also={202: ExchangeOrder | Purchase},
    idempotent=True,
    refusals=(*AT_THE_DOOR, UNAVAILABLE),
)
async def place(call: Call, query: PlaceQuery) -> Reply:
    """Place an order in a market, or buy from the house; answered when the money has moved, or with 202."""
    wait_s = 0.0 if query.wait == "none" else call.services.settings.order_wait_ms / 1000
    outcome = await placing.place(call, call.sent, idempotency.key(call.request), wait_s)
    return Reply(202 if query.wait == "none" else outcome.status, await _placed(call, outcome.seen))


@routes.post(
    "orders/test",
    Policy.TRADE,
    body=NewExchangeOrder | NewPurchase,
    answer=Nothing,
    refusals=AT_THE_DOOR,
)
async def rehearse(call: Call) -> Nothing:
    """Every check but the hold and the journal; nothing is placed."""
    await placing.draft(call, call.sent, idempotency.key(call.request))
    return Nothing()


@routes.post("orders/batch", Policy.TRADE, body=NewOrders, answer=BatchOutcomes, refusals=(UNAVAILABLE,))
async def place_many(call: Call, body: NewOrders) -> dict[str, Any]:
    """Place up to fifty orders, each with an outcome of its own, in the order given."""
    if idempotency.key(call.request) is not None:
        raise Refusal(
            INVALID_FIELD, "Idempotency-Key is for one order; give each order a client_order_id.", idempotency.HEADER
        )
    wait_s = call.services.settings.order_wait_ms / 1000
    return {"results": await asyncio.gather(*(_one_of_many(call, sent, wait_s) for sent in body.orders))}


async def _one_of_many(call: Call, sent: dict[str, Any], wait_s: float) -> dict[str, Any]:
    try:
        outcome = await placing.place(call, sent, None, wait_s)
        order = await _placed(call, outcome.seen)
    except Refusal as refusal:
        return {"status": refusal.code.status, **refusal.body(call.request_id)}
    return {"status": outcome.status, "order": order}


@routes.get("orders", Policy.READ, query=OrdersQuery, answer=Page[ExchangeOrder | Purchase])
async def many(call: Call, query: OrdersQuery) -> dict[str, Any]:
    """The caller's orders, newest first."""
    which = Filter(market=query.market, state=query.state, is_open=query.open)
    async with call.services.database.connection() as connection:
        found = await rows.page(connection, call.user.id, paging.before(query), query.limit + 1, which)
    listing = await call.services.catalogue.recent()
    return paging.page(query, found, lambda each: each.order.id, lambda each: order_answers.answer(each, listing))


@routes.get(ORDER, Policy.READ, answer=ExchangeOrder | Purchase, refusals=(NOT_FOUND,))
async def one(call: Call) -> ExchangeOrder | Purchase:
    """One of the caller's orders, with its fills."""
    return await _shown(call, await own(call, call.number("order_id", "order")))


@routes.get(
    r"orders/by-client-id/{client_order_id:.{1,200}}",
    Policy.READ,
    answer=ExchangeOrder | Purchase,
    refusals=(NOT_FOUND,),
)
async def by_client_id(call: Call) -> ExchangeOrder | Purchase:
    """One of the caller's orders, by the name that he gave it."""
    name = call.part("client_order_id")
    async with call.services.database.connection() as connection:
        for spelled in (name, name.removesuffix("/")):  # a name may end with a slash, and so may a path
            if idempotency.FORM.fullmatch(spelled) and (
                order_id := await rows.by_client_id(connection, call.user.id, spelled)
            ):
                return await _shown(call, await own(call, order_id))
    raise not_found("order")


@routes.get("fills", Policy.READ, query=FillsQuery, answer=Page[Fill])
async def fills(call: Call, query: FillsQuery) -> dict[str, Any]:
    """The caller's fills, newest first."""
    async with call.services.database.connection() as connection:
        found = await rows.fills_page(
            connection, call.user.id, paging.before(query), query.limit + 1, query.market, query.order_id
        )
    listing = await call.services.catalogue.recent()
    return paging.page(query, found, lambda row: row.id, lambda row: order_answers.fill(row, listing))


async def own(call: Call, order_id: int) -> Seen:
    """The order, if the caller may see it."""
    seen = await call.services.orders.find(order_id)
    if seen is None or not seen.order.belongs_to(call.user.id):
        raise not_found("order")
    return seen


async def _placed(call: Call, seen: Seen) -> ExchangeOrder | Purchase:
    with written(seen.order.command_id):
        return await _shown(call, seen)


async def _shown(call: Call, seen: Seen) -> ExchangeOrder | Purchase:
    return order_answers.answer(seen, await call.services.catalogue.recent())
