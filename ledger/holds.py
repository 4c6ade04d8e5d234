"""Places orders in the books: the hold, the order as pending, its command and its key, a batch in one transaction."""

from collections.abc import Sequence
from operator import attrgetter

import asyncpg

from ledger.connection import Connection
from ledger.hold_rules import Books, Decision, FormerOrder, NewOrder, Placed, Refused, SameAs, decide
from ledger.queries import query

COLUMNS = (
    "user_id", "placed_by", "market", "kind", "side", "time_in_force", "post_only", "self_trade", "lots",
    "quote_atoms", "price_ticks", "hold_asset", "hold_atoms", "key", "digest",
)  # fmt: skip
RIVALS = 5


async def place(connection: Connection, orders: Sequence[NewOrder], max_open_orders: int) -> list[Placed | Refused]:
    """Each order's answer, in order. What raises here has placed none of them."""
    for _ in range(RIVALS):
        try:
            async with connection.transaction():
                decisions = decide(orders, await _look(connection, orders, max_open_orders), max_open_orders)
                placed = await _persist(connection, decisions)
        except asyncpg.UniqueViolationError:
            continue  # a rival with one of these keys was faster: look again, and see it
        return _answers(decisions, placed)
    raise asyncpg.SerializationError("rivals took keys of this batch again and again")


async def _look(connection: Connection, orders: Sequence[NewOrder], max_open_orders: int) -> Books:
    wallets = sorted({(order.user_id, order.hold_asset) for order in orders})
    rows = await connection.fetch(query("holds.lock"), [key[0] for key in wallets], [key[1] for key in wallets])
    available = {(row["user_id"], row["asset"]): row["available"] for row in rows}
    keys = sorted({(order.owner, order.key) for order in orders})
    rows = await connection.fetch(query("holds.former"), [key[0] for key in keys], [key[1] for key in keys])
    former = {
        (row["user_id"], row["key"]): FormerOrder(row["digest"], row["order_id"], row["command_id"]) for row in rows
    }
    places = sorted({(order.user_id, order.market) for order in orders})
    rows = await connection.fetch(
        query("holds.open_orders"), [key[0] for key in places], [key[1] for key in places], max_open_orders
    )
    return Books(available, {(row["user_id"], row["market"]): row["number"] for row in rows}, former)


async def _persist(connection: Connection, decisions: Sequence[Decision]) -> list[Placed]:
    new = [decision for decision in decisions if isinstance(decision, NewOrder)]
    if not new:
        return []
    columns = [[attrgetter(column)(order) for order in new] for column in COLUMNS]
    rows = await connection.fetch(query("holds.place"), *columns)
    if len(rows) != len(new):
        raise LookupError("an order names a market that is not in the books")
    return [Placed(row["order_id"], row["command_id"], number=row["number"]) for row in rows]


def _answers(decisions: Sequence[Decision], placed: Sequence[Placed]) -> list[Placed | Refused]:
    following = iter(placed)
    answers: list[Placed | Refused] = []
    for decision in decisions:
        match decision:
            case NewOrder():
                answers.append(next(following))
            case SameAs(index):
                first = answers[index]
                assert isinstance(first, Placed), "an order is the same as one that was placed"
                answers.append(Placed(first.order_id, first.command_id, repeated=True))
            case _:
                answers.append(decision)
    return answers
