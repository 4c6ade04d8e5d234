"""Batch events and fills enter the books: lock, fetch, decide, persist, in the caller's one transaction."""

from collections.abc import Collection, Mapping, Sequence
from operator import attrgetter
from typing import Any

from ledger.batch_rules import (
    Batch,
    Outcome,
    Purchase,
    check_reached,
    gather,
    lines_of,
    settle_fills,
    wallets_of,
)
from ledger.connection import Connection
from ledger.queries import query
from ledger.settlement import Assets
from schemas.batches import BatchRecord, Dissolved, Fill

PURCHASE_COLUMNS = attrgetter("order_id", "state", "is_aggregated", "batch_id", "line", "seq", "at_ms")
BATCH_COLUMNS = attrgetter(*Batch.__slots__)


async def gather_run(
    connection: Connection,
    records: Sequence[BatchRecord],
    assets: Mapping[str, Assets],
    followed: tuple[str, str],
) -> Outcome:
    """Applies batch events. `followed` are the consumer and the topic whose watermarks say how far the books are."""
    markets = sorted({record.market for record in records})
    reached = await connection.fetch(query("batches.reached"), *followed, markets)
    check_reached(records, {row["market"]: row["seq"] for row in reached})
    events = [(record.market, event) for record in records for event in record.events]
    buyers = {
        (line.user_id, market) for market, event in events if isinstance(event, Dissolved) for line in lines_of(event)
    }
    await _lock_wallets(connection, sorted(wallets_of(buyers, assets)))
    purchases = await _purchases(connection, {line.order_id for _, event in events for line in lines_of(event)})
    batches = await _batches(connection, {event.batch_id for _, event in events})
    outcome = gather(records, assets, purchases, batches)
    await _persist(connection, outcome)
    return outcome


async def settle_fill_run(connection: Connection, fills: Sequence[Fill], assets: Mapping[str, Assets]) -> Outcome:
    """Applies what the exchange said. A batch's list of orders does not change once it is closed."""
    ids = {fill.batch_id for fill in fills}
    rows = await connection.fetch(query("batches.buyers"), sorted(ids))
    markets = {fill.batch_id: fill.market for fill in fills}
    buyers = {(row["user_id"], markets[row["batch_id"]]) for row in rows}
    await _lock_wallets(connection, sorted(wallets_of(buyers, assets)))
    purchases = await _purchases(connection, {row["id"] for row in rows})
    outcome = settle_fills(fills, assets, purchases, await _batches(connection, ids))
    await _persist(connection, outcome)
    return outcome


async def _lock_wallets(connection: Connection, keys: Sequence[tuple[int, str]]) -> None:
    """Wallets that are not there yet are made, then all are locked in order."""
    if not keys:
        return
    users, assets = _columns(keys)
    if len(await connection.fetch(query("batches.lock_wallets"), users, assets)) < len(keys):
        await connection.execute(query("batches.add_wallets"), users, assets)
        await connection.fetch(query("batches.lock_wallets"), users, assets)


async def _purchases(connection: Connection, order_ids: Collection[int]) -> dict[int, Purchase]:
    if not order_ids:
        return {}
    rows = await connection.fetch(query("batches.lock_purchases"), sorted(order_ids))
    return {row["id"]: Purchase(*row) for row in rows}


async def _batches(connection: Connection, batch_ids: Collection[str]) -> dict[str, Batch]:
    if not batch_ids:
        return {}
    rows = await connection.fetch(query("batches.lock_batches"), sorted(batch_ids))
    return {row["id"]: Batch(*row) for row in rows}


async def _persist(connection: Connection, done: Outcome) -> None:
    wallets = [(*key, w.available, w.held, w.pending) for key, w in done.wallets.items()]
    await _write(connection, "batches.move_wallets", [row for row in wallets if any(row[2:])])
    changed = [purchase for purchase in done.purchases.values() if purchase.at_ms]
    await _write(connection, "batches.set_purchases", [PURCHASE_COLUMNS(purchase) for purchase in changed])
    await _write(connection, "batches.save_batches", [BATCH_COLUMNS(batch) for batch in done.batches.values()])
    accounts = [(*key, delta) for key, delta in done.system.items() if delta]
    await _write(connection, "batches.move_system_accounts", accounts)
    if not done.transfers:
        return
    ids = [row[0] for row in await connection.fetch(query("batches.transfer_ids"), len(done.transfers))]
    numbered = list(zip(ids, done.transfers, strict=True))
    rows = [(number, one.kind, one.market, one.batch_id, one.at_ms) for number, one in numbered]
    await _write(connection, "batches.add_transfers", rows)
    legs = [(number, *leg) for number, one in numbered for leg in one.legs]
    await _write(connection, "batches.add_postings", legs)


async def _write(connection: Connection, name: str, rows: Sequence[Sequence[Any]]) -> None:
    """Rows go as one array a column."""
    if rows:
        await connection.execute(query(name), *_columns(rows))


def _columns(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]
