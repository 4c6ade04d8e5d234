"""A run of executions enters the books: lock, fetch, decide, persist, in the caller's one transaction."""

from collections.abc import Mapping, Sequence
from itertools import chain
from operator import attrgetter
from typing import Any

from ledger.connection import Connection
from ledger.queries import query
from ledger.settle_rules import concerned, settle
from ledger.settlement import Assets, Order, Settlement, Trade
from schemas.executions import ChainedExecution

ORDER_COLUMNS = attrgetter(
    "order_id", "state", "reason", "lots", "filled_lots", "filled_quote_atoms", "held_remaining", "seq", "at_ms"
)
TERMS_COLUMNS = attrgetter(
    "seq", "status", "maker_fee_bps", "taker_fee_bps", "band_bps", "min_notional_atoms", "house_price_ticks"
)
POSTING_COLUMNS = attrgetter("account", "user_id", "market", "asset", "amount", "order_id", "type")
TRADE_COLUMNS = attrgetter(
    "market", "trade_seq", "seq", "kind", "price_ticks", "lots", "quote_atoms", "taker_side", "taker_order_id",
    "taker_user_id", "taker_fee_atoms", "maker_order_id", "maker_user_id", "maker_fee_atoms", "at_ms",
)  # fmt: skip


async def settle_run(
    connection: Connection, executions: Sequence[ChainedExecution], assets: Mapping[str, Assets]
) -> Settlement:
    """Applies the run; what it did is returned for the announcement after the commit."""
    wallets, orders = concerned(executions, assets)
    await lock_wallets(connection, sorted(wallets))
    settlement = settle(executions, assets, await _orders(connection, orders), await _commands(connection, executions))
    await _persist(connection, settlement)
    return settlement


async def market_assets(connection: Connection, symbols: Sequence[str]) -> dict[str, Assets]:
    """What these markets trade; it never changes."""
    rows = await connection.fetch(query("settle.assets"), symbols)
    return {row["symbol"]: Assets(row["base"], row["quote"]) for row in rows}


async def lock_wallets(connection: Connection, keys: Sequence[tuple[int, str]]) -> None:
    """Wallets that are not there yet are made, then all are locked in order."""
    if not keys:
        return
    users, assets = _columns(keys)
    if len(await connection.fetch(query("settle.lock_wallets"), users, assets)) < len(keys):
        await connection.execute(query("settle.add_wallets"), users, assets)
        await connection.fetch(query("settle.lock_wallets"), users, assets)


async def _orders(connection: Connection, order_ids: set[int]) -> dict[int, Order]:
    if not order_ids:
        return {}
    rows = await connection.fetch(query("settle.lock_orders"), sorted(order_ids))
    return {row[0]: Order(*row) for row in rows}


async def _commands(connection: Connection, executions: Sequence[ChainedExecution]) -> dict[int, int | None]:
    ids = [execution.command_id for execution in executions if execution.command_id is not None and execution.last]
    if not ids:
        return {}
    return {row["id"]: row["order_id"] for row in await connection.fetch(query("settle.pending_commands"), ids)}


async def _persist(connection: Connection, done: Settlement) -> None:
    wallets = [(*key, w.available, w.held, w.pending) for key, w in done.wallets.items()]
    await write_rows(connection, "settle.move_wallets", [row for row in wallets if any(row[2:])])
    accounts = [(*key, delta) for key, delta in done.system.items() if delta]
    await write_rows(connection, "settle.move_system_accounts", accounts)
    await write_rows(connection, "settle.set_orders", [ORDER_COLUMNS(order) for order in done.orders.values()])
    await _add_trades(connection, done.trades)
    decided = [(d.result.command_id, d.result.outcome, d.partition, d.offset, d.at_ms) for d in done.decided]
    await write_rows(connection, "settle.decide_commands", decided)
    markets = [(symbol, *TERMS_COLUMNS(terms)) for symbol, terms in done.markets.items()]
    await write_rows(connection, "settle.change_markets", markets)


async def _add_trades(connection: Connection, trades: Sequence[Trade]) -> None:
    if not trades:
        return
    ids = [row[0] for row in await connection.fetch(query("settle.transfer_ids"), len(trades))]
    numbered = list(zip(ids, trades, strict=True))
    await write_rows(connection, "settle.add_trades", [(number, *TRADE_COLUMNS(trade)) for number, trade in numbered])
    legs = chain.from_iterable([(number, *POSTING_COLUMNS(leg)) for leg in trade.legs] for number, trade in numbered)
    await write_rows(connection, "settle.add_postings", list(legs))


async def write_rows(connection: Connection, name: str, rows: Sequence[Sequence[Any]]) -> None:
    """Rows go as one array a column."""
    if rows:
        await connection.execute(query(name), *_columns(rows))


def _columns(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]
