"""`tidemark batch list | show | resolve`: what became of batches at the outside exchange, and a person's word on one.

Only who has asked the exchange may resolve a batch: what is said here is booked as the exchange's own word.
"""

import argparse
import asyncio
import time

from ops.arguments import whole
from runtime.embedded.home import resolve as resolved
from runtime.embedded.program import Broken
from runtime.settings import Settings, load

UNDECIDED = ("closed", "sending")


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("batch", help="batches of purchases at the outside exchange")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    listing = verbs.add_parser("list", help="the newest batches, a line each")
    listing.add_argument("--limit", type=whole, default=50)
    listing.set_defaults(run=lambda args: asyncio.run(show_all(resolved(load()), args.limit)))
    showing = verbs.add_parser("show", help="one batch and the house's account of it, as JSON")
    showing.add_argument("id")
    showing.set_defaults(run=lambda args: asyncio.run(show_one(resolved(load()), args.id)))
    deciding = verbs.add_parser("resolve", help="say what the exchange said of a batch that is unknown")
    deciding.add_argument("id")
    deciding.add_argument("--by", required=True, metavar="NAME", help="who has asked the exchange")
    word = deciding.add_mutually_exclusive_group(required=True)
    word.add_argument("--failed", metavar="REASON", help="it bought nothing and never will")
    word.add_argument("--filled", metavar="AMOUNT", help="it bought this much")
    deciding.add_argument("--charged", metavar="AMOUNT", help="what it charged, in the market's quote currency")
    deciding.add_argument("--order", metavar="ID", default="", help="its own id of the order")
    deciding.set_defaults(run=lambda args: asyncio.run(decide(resolved(load()), args)))


async def show_all(settings: Settings, limit: int) -> int:
    from api.batches import shown
    from ledger import batch_reads
    from ledger.connection import books

    async with books(settings) as connection:
        for row in await batch_reads.batches(connection, None, limit):
            one = shown(row)
            print(f"{one.id:<20} {one.state:<8} {one.amount:>16} {one.crypto:<6} {len(one.orders):>5} orders")
    return 0


async def show_one(settings: Settings, batch_id: str) -> int:
    from api.batches import shown
    from ledger import batch_reads
    from ledger.connection import books

    async with books(settings) as connection:
        row = await batch_reads.batch(connection, batch_id)
    if row is None:
        raise Broken(f"There is no batch {batch_id}.")
    print(shown(row).model_dump_json(indent=2))
    return 0


async def decide(settings: Settings, args: argparse.Namespace) -> int:
    from agents.settlement.desk.patience import MARGIN_MS
    from ledger import batch_reads
    from ledger.connection import books
    from ledger.queries import query
    from schemas.batches import Failed, Fill, Filled, encode_fill
    from schemas.money import MoneyError, atoms

    def word(row: batch_reads.SeenBatch, now_ms: int) -> Fill:
        if args.failed is not None:
            return Failed(row.market, row.id, "by hand", args.failed, now_ms)
        if args.charged is None:
            raise Broken("--filled needs --charged, for the house's accounts.")
        try:
            bought = atoms(args.filled, row.base_scale, "filled")
            charged = atoms(args.charged, row.quote_scale, "charged", lowest=0)
        except MoneyError as error:
            raise Broken(str(error)) from error
        return Filled(row.market, row.id, "by hand", args.order, bought, row.quote, charged, now_ms)

    async with books(settings) as connection:
        row = await batch_reads.batch(connection, args.id)
        if row is None or row.state not in UNDECIDED:
            raise Broken(f"{args.id} is no batch that waits for the exchange's word.")
        said = encode_fill(word(row, time.time_ns() // 1_000_000)).decode()
        if await connection.fetchval(query("desk.resolve"), args.id, said, args.by, MARGIN_MS) is None:
            raise Broken(f"{args.id} was just asked for, or has its word already: look again in a minute.")
    print(f"{args.id} is resolved; the desk will tell the books.")
    return 0
