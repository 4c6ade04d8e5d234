"""Places orders in the books: the hold, the order as pending, its command and its key, a batch with one statement."""

from collections.abc import Iterable, Sequence
from operator import attrgetter

import asyncpg

from ledger.connection import Connection
from ledger.hold_rules import Books, Decision, FormerOrder, NewOrder, Placed, Refused, SameAs, decide
from ledger.queries import query

COLUMNS = (
    "user_id", "placed_by", "market", "kind", "side", "time_in_force", "post_only", "self_trade", "lots",
    "quote_atoms", "price_ticks", "hold_asset", "hold_atoms", "key", "digest",
)  # fmt: skip
IN_COLUMNS = attrgetter(*COLUMNS)
RIVALS = 5
IN_FLIGHT = 2048
"""Orders that may be between look and place elsewhere: nearer to the limit than that, one waits for the other."""


async def place(connection: Connection, orders: Sequence[NewOrder], max_open_orders: int) -> list[Placed | Refused]:
    """Each order's answer, in order. What raises here has placed none of them.

    Two statements and no lock in between: what a rival changed meanwhile makes the second one fail as a whole, and
    then it is done again behind locks.
    """
    books = await _look(connection, orders, max_open_orders)
    if not _is_crowded(books, len(orders), max_open_orders):
        try:
            return await _place(connection, decide(orders, books, max_open_orders))
        except (asyncpg.UniqueViolationError, asyncpg.CheckViolationError):
            pass
    return await _place_behind_locks(connection, orders, max_open_orders)


def _is_crowded(books: Books, batch: int, max_open_orders: int) -> bool:
    return max(books.open_orders.values(), default=0) + batch + IN_FLIGHT > max_open_orders


async def _place_behind_locks(
    connection: Connection, orders: Sequence[NewOrder], max_open_orders: int
) -> list[Placed | Refused]:
    users = sorted({order.user_id for order in orders})
    for _ in range(RIVALS):
        try:
            async with connection.transaction():
                await connection.execute(query("holds.lock_users"), users)
                await connection.execute(query("holds.lock_wallets"), *_columns(_wallets(orders)))
                books = await _look(connection, orders, max_open_orders)
                return await _place(connection, decide(orders, books, max_open_orders))
        except asyncpg.UniqueViolationError:
            continue  # a rival with one of these keys, who orders for somebody else: look again, and see it
    raise asyncpg.SerializationError("rivals took keys of this batch again and again")


async def _look(connection: Connection, orders: Sequence[NewOrder], max_open_orders: int) -> Books:
    rows = await connection.fetch(
        query("holds.look"),
        *_columns(_wallets(orders)),
        *_columns({(order.owner, order.key) for order in orders}),
        *_columns({(order.user_id, order.market) for order in orders}),
        max_open_orders,
    )
    available: dict[tuple[int, str], int] = {}
    open_orders: dict[tuple[int, str], int] = {}
    former: dict[tuple[int, str], FormerOrder] = {}
    for what, user_id, name, number, digest, order_id, command_id in rows:
        match what:
            case "wallet":
                available[user_id, name] = number
            case "open":
                open_orders[user_id, name] = number
            case _:
                former[user_id, name] = FormerOrder(digest, order_id, command_id)
    return Books(available, open_orders, former)


def _wallets(orders: Iterable[NewOrder]) -> set[tuple[int, str]]:
    return {(order.user_id, order.hold_asset) for order in orders}


def _columns(pairs: Iterable[tuple[int, str]]) -> tuple[list[int], list[str]]:
    """Rows as the arrays that a statement takes."""
    ordered = sorted(pairs)
    return [user_id for user_id, _ in ordered], [name for _, name in ordered]


async def _place(connection: Connection, decisions: Sequence[Decision]) -> list[Placed | Refused]:
    new = [decision for decision in decisions if isinstance(decision, NewOrder)]
    placed: list[Placed] = []
    if new:
        try:
            rows = await connection.fetch(query("holds.place"), *zip(*map(IN_COLUMNS, new), strict=True))
        except asyncpg.NotNullViolationError as error:
            raise LookupError("an order names a market that is not in the books") from error
        placed = [Placed(row["order_id"], row["command_id"], number=row["number"]) for row in rows]
    return _answers(decisions, placed)


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
