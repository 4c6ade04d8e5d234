"""`tidemark recover books`: brings books that were restored from an older backup up to date, from the topics.

With the exchange stopped and the servers running. All or nothing; exit code 0 when the books are right again.
"""

import argparse
import asyncio
import json
import time
from typing import TYPE_CHECKING

from ops.progress import Progress
from runtime.embedded.home import resolve
from runtime.settings import Settings, load

if TYPE_CHECKING:
    from ledger.replay.recovering import Recovered


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "recover", help="bring what was restored up to date", description="Brings what was restored up to date."
    )
    what = parser.add_subparsers(title="what", metavar="WHAT", required=True)
    of_books = what.add_parser(
        "books",
        help="after an older backup of PostgreSQL was restored",
        description="Makes again from the topics whatever the books have not: accounts, transfers, orders, trades, "
        "batches. Proves them, lifts all numbers past the journal's, and ends all sessions. All or nothing. "
        "The exchange must be stopped, the servers must run.",
    )
    of_books.add_argument("--json", action="store_true", help="a JSON object instead of sentences")
    of_books.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    import uvloop

    from ops.journal import in_sentences

    began = time.monotonic()
    with in_sentences(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        recovered = runner.run(_recover(resolve(load())))
    seconds = time.monotonic() - began
    if args.json:
        told = {"ok": True, "records": recovered.records, "rows": recovered.rows, "seconds": round(seconds, 3)}
        print(json.dumps(told))
    else:
        made = ", ".join(f"{rows:,} {table}" for table, rows in recovered.rows.items()) or "nothing was missing"
        print(f"{recovered.records:,} records read in {seconds:.1f} s; made again: {made}.")
        print("The books are right. Whoever registered since the backup needs `tidemark admin reset-password`.")
    return 0


async def _recover(settings: Settings) -> "Recovered":
    from ledger.migrate import migrate
    from ledger.replay.recovering import recover
    from ops.journal import require_kafka
    from ops.stopped import require_stopped
    from runtime import collector

    await require_kafka(settings)
    await require_stopped(settings)
    await migrate(settings)
    collector.spare()
    with Progress("records", 0) as bar:

        def read(done: int, total: int) -> None:
            bar.total = total
            bar.to(done)

        return await recover(settings, read)
