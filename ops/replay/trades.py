"""The list of trades made again from the executions: what is missing, different or invented is put right, one by one.

Only trades that the wallet agent has booked are looked at. A trade without its transfer is not a lost view but lost
money, and an invented one with a transfer is invented money: that is refused, with the command that finds out more.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import NamedTuple

import asyncpg

from ledger.connection import books
from ledger.queries import query
from ledger.replay.row_rules import Row, moment
from ledger.replay.store import CONSUMER, columns
from ledger.replay.topics import Marks, Stretch, Topics
from runtime.embedded.program import Broken
from runtime.settings import Settings
from schemas.executions import ChainedExecution, HouseFilled, Traded
from schemas.topics import EXECUTIONS

COLUMNS = (
    "id", "market", "trade_seq", "seq", "kind", "price_ticks", "lots", "quote_atoms", "taker_side", "taker_order_id",
    "taker_user_id", "taker_fee_atoms", "maker_order_id", "maker_user_id", "maker_fee_atoms", "at",
)  # fmt: skip
"""Of a row, which is `row` behind the id of its transfer."""
Read = Callable[[int, int], None]


class Rebuilt(NamedTuple):
    """Of one market: what there is now, and how much of it was not so before."""

    market: str
    made: int
    changed: int


async def rebuild(settings: Settings, market: str | None, read: Read) -> list[Rebuilt]:
    """Of one market, or of all."""
    counts: dict[str, list[int]] = {}
    marks: Marks = {}
    async with books(settings) as connection:
        for stretch in await _booked(connection, market):
            async for name, told in _told(settings, stretch, marks, market, read):
                made = counts.setdefault(name, [0, 0])
                made[0] += len(told)
                made[1] += await _put_right(connection, name, told)
        for name in await _remove_strange(connection, market, counts, marks):
            counts.setdefault(name, [0, 0])[1] += 1
    return [Rebuilt(name, *made) for name, made in sorted(counts.items())]


async def _booked(connection: asyncpg.Connection, market: str | None) -> Sequence[Stretch]:
    """What the wallet agent has settled of each partition."""
    stops: dict[int, int] = {}
    for row in await connection.fetch(query("replay.marks"), CONSUMER):
        if row["topic"] == EXECUTIONS.name and market in (None, row["market"]):
            stops[row["partition"]] = max(stops.get(row["partition"], 0), row["next_offset"])
    return [Stretch(partition, 0, stop) for partition, stop in sorted(stops.items())]


async def _told(
    settings: Settings, stretch: Stretch, marks: Marks, market: str | None, read: Read
) -> AsyncIterator[tuple[str, Sequence[Row]]]:
    """Trades as rows, without their ids, by market."""
    async for executions in Topics(settings).executions(stretch, marks):
        by_market: dict[str, list[Row]] = {}
        for execution in executions:
            if market in (None, execution.market):
                rows = [row(execution, event) for event in execution.events if isinstance(event, Traded | HouseFilled)]
                by_market.setdefault(execution.market, []).extend(rows)
        for name, rows in by_market.items():
            if rows:
                yield name, rows
        read(max((mark.position + 1 for mark in marks.values()), default=0), stretch.stop)


async def _put_right(connection: asyncpg.Connection, market: str, told: Sequence[Row]) -> int:
    different = await connection.fetch(query("replay.different_trades"), *columns(told))
    if not different:
        return 0
    numbers = [one["trade_seq"] for one in different]
    rows = await connection.fetch(query("replay.transfers_of_trades"), market, numbers)
    ids = {one["trade_seq"]: one["id"] for one in rows}
    if lost := sorted({*numbers} - ids.keys()):
        raise Broken(
            f"The trade {market}-{lost[0]} has no transfer in the books, so it is not only missing in the list: "
            f"`tidemark reconcile` and `tidemark replay books` say more."
        )
    wrong = [(ids[one[1]], *one) for one in told if one[1] in ids]
    async with connection.transaction():
        await connection.execute(query("replay.drop_trades"), market, numbers)
        await connection.copy_records_to_table("trades", records=wrong, columns=COLUMNS)
    return len(wrong)


async def _remove_strange(
    connection: asyncpg.Connection, market: str | None, counts: Mapping[str, Sequence[int]], marks: Marks
) -> Sequence[str]:
    """Trades that no execution gives; the market of each."""
    known = [(name, counts[name][0] if name in counts else 0, mark.seq) for name, mark in marks.items()]
    names, lasts, seqs = zip(*known, strict=True) if known else ((), (), ())
    strange = await connection.fetch(
        query("replay.strange_trades"), CONSUMER, names, lasts, seqs, EXECUTIONS.name, market
    )
    for one in strange:
        if one["has_transfer"]:
            raise Broken(
                f"The trade {one['market']}-{one['trade_seq']} has a transfer in the books, and no execution gives it: "
                f"`tidemark reconcile` and `tidemark replay books` say more."
            )
    await connection.execute(query("replay.drop_strange_trades"), [one["id"] for one in strange])
    return [one["market"] for one in strange]


def row(execution: ChainedExecution, event: Traded | HouseFilled) -> Row:
    """As the wallet agent writes it."""
    head = (execution.market, event.trade_seq, execution.seq)
    at = moment(execution.time_ms)
    if isinstance(event, Traded):
        return (
            *head, "book", event.price_ticks, event.lots, event.quote_atoms, event.taker_side, event.taker_order_id,
            event.taker_user_id, event.taker_fee_atoms, event.maker_order_id, event.maker_user_id,
            event.maker_fee_atoms, at,
        )  # fmt: skip
    return (
        *head, "house", event.price_ticks, event.lots, event.quote_atoms, "buy", event.order_id, event.user_id, 0,
        None, None, 0, at,
    )  # fmt: skip
