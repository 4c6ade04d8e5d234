"""A run of executions enters the books: look, decide, write, each of the two statements whole by itself.

No lock is held between them. What was looked at is as old as the watermarks beside it, and the write fails as a whole
when another worker has moved them since: only a run of the same market changes what a run of this market reads.
"""

from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple

from ledger.connection import Connection
from ledger.literals import Field, numbers, rows
from ledger.queries import query
from ledger.settle_rules import concerned, settle
from ledger.settlement import Assets, Order, Settlement
from ledger.watermarks import Step
from runtime.journal.watermark import Mark
from schemas.executions import ChainedExecution

ORDER_COLUMNS = attrgetter(
    "state", "reason", "lots", "filled_lots", "filled_quote_atoms", "held_remaining", "seq", "at_ms"
)
TERMS_COLUMNS = attrgetter(
    "seq", "status", "maker_fee_bps", "taker_fee_bps", "band_bps", "min_notional_atoms", "house_price_ticks"
)


class Seen(NamedTuple):
    """What a run is about, of one moment, and by what an order's row shows that it is still the same."""

    orders: dict[int, Order]
    versions: dict[int, tuple[str, int | None]]
    commands: dict[int, int | None]
    marks: dict[str, Mark]


async def settle_run(
    connection: Connection, step: Step, executions: Sequence[ChainedExecution], assets: Mapping[str, Assets]
) -> Settlement:
    """Applies the run and its watermarks in one transaction; what it did is returned for the announcement after it."""
    seen = await _look(connection, step, executions, assets)
    step.check(seen.marks)
    settlement = settle(executions, assets, seen.orders, seen.commands)
    written = map(rows, _written(step, settlement, seen.versions))
    await connection.execute(query("settle.write"), *step.place, *written)
    return settlement


async def market_assets(connection: Connection, symbols: Sequence[str]) -> dict[str, Assets]:
    """What these markets trade; it never changes."""
    found = await connection.fetch(query("settle.assets"), symbols)
    return {row["symbol"]: Assets(row["base"], row["quote"]) for row in found}


async def _look(
    connection: Connection, step: Step, executions: Sequence[ChainedExecution], assets: Mapping[str, Assets]
) -> Seen:
    order_ids = concerned(executions, assets)
    asked = [execution.command_id for execution in executions if execution.command_id is not None and execution.last]
    seen = Seen({}, {}, {}, {})
    found = await connection.fetch(
        query("settle.look"), numbers(order_ids), numbers(asked), *step.place, list(step.before)
    )
    for what, number, other, *rest in found:
        if what == "order":
            seen.orders[number] = order = Order(number, *rest)
            seen.versions[number] = order.state, other
        elif what == "command":
            seen.commands[number] = other
        else:
            source_offset, chain, market, *_ = rest
            seen.marks[market] = Mark(number, source_offset, chain, other - 1)
    return seen


def _written(
    step: Step, done: Settlement, versions: Mapping[int, tuple[str, int | None]]
) -> Iterable[Sequence[Sequence[Field]]]:
    """The rows of each kind, wallets and orders in the order of their locks."""
    yield step.rows()
    wallets = sorted(done.wallets.items())
    yield [(*key, w.available, w.held, w.pending) for key, w in wallets if w.available or w.held or w.pending]
    orders = sorted(done.orders.items())
    yield [(number, *versions[number], *ORDER_COLUMNS(order)) for number, order in orders]
    yield [(*key, amount) for key, amount in sorted(done.system.items()) if amount]
    yield [trade[:-1] for trade in done.trades]
    yield [(line, *leg) for line, trade in enumerate(done.trades, 1) for leg in trade.legs]
    yield [(d.result.command_id, d.result.outcome, d.partition, d.offset, d.at_ms) for d in done.decided]
    yield [(symbol, *TERMS_COLUMNS(terms)) for symbol, terms in done.markets.items()]
