"""`tidemark batch list | show | resolve`: what became of batches at the outside exchange, and a person's word on one.

Only who has asked the exchange may resolve a batch: what is said here is booked as the exchange's own word.
"""

import argparse
import asyncio
import json

from runtime.embedded.home import resolve as resolved
from runtime.embedded.program import Broken
from runtime.settings import Settings, load


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("batch", help="batches of purchases at the outside exchange")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    listing = verbs.add_parser("list", help="the newest batches, a line each")
    listing.add_argument("--limit", type=int, default=50)
    listing.set_defaults(run=lambda args: asyncio.run(_list(resolved(load()), args.limit)))
    showing = verbs.add_parser("show", help="one batch, as JSON")
    showing.add_argument("id")
    showing.set_defaults(run=lambda args: asyncio.run(_show(resolved(load()), args.id)))
    deciding = verbs.add_parser("resolve", help="say what the exchange said of a batch that is unknown")
    deciding.add_argument("id")
    deciding.add_argument("--by", required=True, metavar="NAME", help="who has asked the exchange")
    word = deciding.add_mutually_exclusive_group(required=True)
    word.add_argument("--failed", metavar="REASON", help="it bought nothing and never will")
    word.add_argument("--filled", metavar="AMOUNT", help="it bought this much")
    deciding.add_argument("--charged", metavar="AMOUNT", help="what it charged, in the market's quote currency")
    deciding.add_argument("--order", metavar="ID", default="", help="its own id of the order")
    deciding.set_defaults(run=lambda args: asyncio.run(_resolve(resolved(load()), args)))


async def _list(settings: Settings, limit: int) -> int:
    from agents.settlement.desk.store import shown
    from ledger.connection import books
    from ledger.queries import query

    async with books(settings) as connection:
        for row in await connection.fetch(query("desk.batches"), None, limit):
            batch = shown(row)
            orders = len(row["orders"])
            print(
                f"{batch['id']:<20} {batch['state']:<8} {batch['amount']:>16} {batch['crypto']:<6} {orders:>5} orders"
            )
    return 0


async def _show(settings: Settings, batch_id: str) -> int:
    from agents.settlement.desk.store import shown
    from ledger.connection import books
    from ledger.queries import query

    async with books(settings) as connection:
        rows = await connection.fetch(query("desk.batches"), batch_id, 1)
    if not rows:
        raise Broken(f"There is no batch {batch_id}.")
    print(json.dumps(shown(rows[0]), indent=2, default=str))
    return 0


async def _resolve(settings: Settings, args: argparse.Namespace) -> int:
    import time

    from ledger.connection import books
    from ledger.queries import query
    from schemas.batches import Failed, Filled, encode_fill
    from schemas.money import MoneyError, atoms

    async with books(settings) as connection:
        rows = await connection.fetch(query("desk.batches"), args.id, 1)
        if not rows or rows[0]["state"] not in ("closed", "sending"):
            raise Broken(f"{args.id} is no batch that waits for the exchange's word.")
        row, now_ms = rows[0], time.time_ns() // 1_000_000
        if args.failed is not None:
            fill: Filled | Failed = Failed(row["market"], args.id, "by hand", args.failed, now_ms)
        elif args.charged is None:
            raise Broken("--filled needs --charged, for the house's accounts.")
        else:
            quote = row["market"].removeprefix(f"{row['crypto']}-")
            try:
                bought = atoms(args.filled, row["base_scale"], "filled")
                charged = atoms(args.charged, row["quote_scale"], "charged", lowest=0)
            except MoneyError as error:
                raise Broken(str(error)) from error
            fill = Filled(row["market"], args.id, "by hand", args.order, bought, quote, charged, now_ms)
        if await connection.fetchval(query("desk.resolve"), args.id, encode_fill(fill).decode(), args.by) is None:
            raise Broken(f"{args.id} was just asked for, or has its word already: look again in a minute.")
    print(f"{args.id} is resolved; the desk will tell the books.")
    return 0
