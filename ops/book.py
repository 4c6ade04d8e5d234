"""`tidemark book show`: a market's book as it was after any record of its journal, and from the journal alone."""

import argparse
import asyncio
import json
import sys
from typing import Any

from ops.arguments import whole
from ops.progress import Progress
from runtime.embedded.home import resolve
from runtime.settings import Settings, load

REFUSED = 2
MOST_LEVELS = 1_000_000


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("book", help="a market's book, now or as it was", description="Looks at books.")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    show = actions.add_parser(
        "show",
        help="the book as it was after a journal offset",
        description="Executes the journal up to an offset, from the newest snapshot before it, and shows the book.",
    )
    show.add_argument("--market", metavar="SYMBOL", required=True)
    show.add_argument("--at-offset", type=whole, metavar="N", help="after this journal offset (default: the last)")
    show.add_argument("--depth", type=whole, metavar="D", default=20, help="so many prices a side (default 20)")
    show.add_argument("--from-start", action="store_true", help="trust no snapshot")
    show.add_argument("--partition", type=int, metavar="P", help="where the market is, when the books cannot be asked")
    show.add_argument("--json", action="store_true", help="a JSON object instead of a table")
    show.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    import uvloop

    from ops.journal import in_sentences
    from runtime.journal.errors import Refused

    try:
        with in_sentences(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            shown = runner.run(_show(resolve(load()), args))
    except Refused as reason:
        print(f"tidemark: {reason}", file=sys.stderr)
        return REFUSED
    print(json.dumps(shown) if args.json else "\n".join(lines(shown)))
    return 0


async def _show(settings: Settings, args: argparse.Namespace) -> dict[str, Any]:
    from ops.journal import partition_of, require_kafka
    from runtime.journal.errors import Refused

    await require_kafka(settings)
    number = await partition_of(settings, args.market, args.partition)
    state = await _state(settings, number, args)
    market = state.markets.get(args.market)
    if market is None or market.machine is None or market.machine.state is None:
        raise Refused(f"{args.market} is not open in partition {number} before offset {state.next_offset}.")
    return told(market, number, state.next_offset - 1, args.depth)


async def _state(settings: Settings, number: int, args: argparse.Namespace) -> Any:
    """The partition, with the one market executed up to the offset."""
    from agents.matching.agent import PROGRAM
    from runtime.journal.bulk import Bulk
    from runtime.journal.errors import Refused
    from runtime.journal.partition import Partition
    from runtime.journal.reader import Reader
    from runtime.journal.replay import bring_to, within
    from runtime.journal.snapshots import Snapshots

    reader, topic = Reader(settings, PROGRAM.name), settings.topic(PROGRAM.journal.name)
    begin, end = (await reader.bounds(topic, [number]))[number]
    within(f"{topic}/{number}", begin, end, args.at_offset)
    stop = end if args.at_offset is None else args.at_offset + 1
    state: Partition[Any, Any] | None = None
    if not args.from_start:
        state = (await Snapshots.read(PROGRAM, reader, settings, number)).newest(stop)
    if state is None and begin > 0:
        raise Refused(f"{topic}/{number} begins at {begin}, and no snapshot before {stop} is usable.")
    state = state or Partition(PROGRAM, number)
    with Progress("records", stop - state.next_offset) as progress:
        first = state.next_offset
        await bring_to(
            state,
            Bulk(settings, PROGRAM.name),
            topic,
            stop,
            market=args.market,
            progress=lambda executed: progress.to(executed - first),
        )
    state.next_offset = stop
    return state


def told(market: Any, partition: int, offset: int, depth: int) -> dict[str, Any]:
    """The book in decimals, best prices first, as `--json` has it."""
    from schemas.money import market_units

    state = market.machine.state
    terms, book = state.terms, state.book
    units = market_units(terms.tick_size, terms.lot_size, terms.base_scale, terms.quote_scale)

    def price(ticks: int | None) -> str | None:
        return None if ticks is None else units.price_text(ticks)

    def levels(side: Any) -> list[dict[str, Any]]:
        some = [level for level, _ in zip(side, range(depth), strict=False)]
        return [
            {"price": price(level.price), "amount": units.lots_text(level.lots), "orders": sum(1 for _ in level)}
            for level in some
        ]

    execution = market.tracks[0]
    return {
        "market": market.name, "partition": partition, "offset": offset, "answered": market.offset,
        "time_ms": market.now_ms, "seq": execution.seq, "chain": execution.chain, "trade_seq": state.trade_seq,
        "status": terms.status, "last_price": price(state.last_price_ticks),
        "house_price": price(state.house_price_ticks), "orders": len(book.orders),
        "bids": levels(book.bids), "asks": levels(book.asks),
    }  # fmt: skip


def lines(shown: dict[str, Any]) -> list[str]:
    """For a person: asks above, bids below, the best prices in the middle."""
    from schemas.times import from_epoch_ms, text

    head = (
        f"{shown['market']} after offset {shown['offset']} of partition {shown['partition']} (its own last record is "
        f"{shown['answered']}, of {text(from_epoch_ms(shown['time_ms']))}): {shown['status']}, seq {shown['seq']}, "
        f"{shown['orders']} orders, last price {shown['last_price'] or 'none'}"
    )
    rows = [("", "PRICE", "AMOUNT", "ORDERS")]
    rows += [("ask", row["price"], row["amount"], str(row["orders"])) for row in reversed(shown["asks"])]
    rows += [("bid", row["price"], row["amount"], str(row["orders"])) for row in shown["bids"]]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return [head, *("  ".join(word.rjust(width) for word, width in zip(row, widths, strict=True)) for row in rows)]
