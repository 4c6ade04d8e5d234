"""`tidemark market halt | resume | cancel-only | post-only`: changes a market's status through its journal.

The change is a command like any other: a row, a record, an outcome. So it is in the history, and works without the API.
"""

import argparse
import asyncio
import getpass
import json
import sys
from typing import Any

from ops.arguments import whole
from runtime.embedded.home import resolve
from runtime.settings import Settings, load

REFUSED = 2
STATUSES = {
    "halt": ("halted", "nothing is accepted, no cancel either"),
    "resume": ("open", "everything is accepted again"),
    "cancel-only": ("cancel_only", "orders may only leave"),
    "post-only": ("post_only", "orders may only rest, or leave"),
}


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "market",
        help="halt a market, resume it, or let orders only leave",
        description="Changes a market's status through its journal. Exit code 0: changed; 1: not decided; 2: refused.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    for action, (status, meaning) in STATUSES.items():
        one = actions.add_parser(action, help=meaning)
        one.add_argument("symbol", metavar="SYMBOL")
        one.add_argument("--wait", type=whole, default=10, metavar="SECONDS", help="for the outcome (default 10)")
        one.add_argument("--json", action="store_true", help="a JSON object instead of a sentence")
        one.set_defaults(run=run, status=status)


def run(args: argparse.Namespace) -> int:
    from runtime.journal.errors import Refused

    try:
        done = asyncio.run(_change(resolve(load()), args.symbol, args.status, args.wait))
    except Refused as reason:
        print(f"tidemark: {reason}", file=sys.stderr)
        return REFUSED
    print(json.dumps(done) if args.json else _sentence(done))
    return 0 if done["outcome"] == "market_changed" else 1


async def _change(settings: Settings, symbol: str, status: str, wait_s: int) -> dict[str, Any]:
    from ledger import sessions
    from ledger.commands import add_command
    from ledger.connection import books
    from ledger.listings import status_of
    from ledger.sessions import Audit
    from ops.commanding import append, decided
    from ops.journal import listed_partition, require_kafka
    from runtime.journal.errors import Refused
    from runtime.postgres import json_as_values

    await require_kafka(settings)
    await listed_partition(settings, symbol)
    async with books(settings) as connection:
        await json_as_values(connection)
        before = await status_of(connection, symbol)
        if before in ("opening", "rejected"):
            raise Refused(f"{symbol} is {before}: it has no status to change yet.")
        async with connection.transaction():
            row = await add_command(connection, symbol, "change_market", {"status": status})
            who = Audit(
                actor_id=None, action="change_market", subject=symbol, address="tidemark", request_id="",
                detail={"status": status, "by": getpass.getuser()},
            )  # fmt: skip
            await sessions.audit(connection, who)
        place = (await append(settings, connection, [row.command_id]))[row.command_id]
        found = await decided(connection, row.command_id, wait_s)
        return {
            "market": symbol, "command_id": row.command_id, "partition": place.partition, "offset": place.offset,
            "outcome": None if found is None else found.outcome, "before": before,
            "status": await status_of(connection, symbol),
        }  # fmt: skip


def _sentence(done: dict[str, Any]) -> str:
    where = f"command {done['command_id']}, partition {done['partition']}, offset {done['offset']}"
    match done["outcome"]:
        case None:
            return (
                f"{done['market']} is still {done['status']}: the journal has the change ({where}), and nobody has "
                "decided it yet; are matching and wallet up? `tidemark status` says."
            )
        case "market_changed":
            return f"{done['market']} is {done['status']}, it was {done['before']} ({where})."
        case refused:
            return f"{done['market']} is still {done['status']}: the journal refused the change, {refused} ({where})."
