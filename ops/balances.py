"""`tidemark balances`: everybody's wallets, or one user's, as they were when a market's journal was at an offset.

Made from the topics; the books are asked for the market's partition only. Exit code 2: what was asked makes no sense.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ops.arguments import whole
from ops.progress import Progress
from runtime.embedded.home import resolve
from runtime.settings import Settings, load

if TYPE_CHECKING:
    from ledger.replay.at_offset import Balances

REFUSED = 2


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "balances",
        help="show wallets as they were at an offset of the journal",
        description="Wallets after the record at this offset was settled, its hold included; of everything that is not "
        "in that partition of the journal, whatever is not later than that record.",
    )
    parser.add_argument("--at-offset", type=whole, required=True, metavar="N", help="in the market's partition")
    parser.add_argument("--market", metavar="SYMBOL", help="may be left out where all markets are in one partition")
    parser.add_argument(
        "--partition", type=int, metavar="P", help="where the market is, when the books cannot be asked"
    )
    parser.add_argument("--user", metavar="NAME", help="one user, by name or id")
    parser.add_argument("--json", action="store_true", help="a JSON object instead of a table")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    import uvloop

    from ledger.replay.at_offset import NoSuchOffset
    from ops.journal import in_sentences
    from runtime.journal.errors import Refused

    try:
        with in_sentences(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            found = runner.run(_balances(resolve(load()), args))
        rows = list(shown(found, args.user))
    except (Refused, NoSuchOffset) as reason:
        print(f"tidemark: {reason}", file=sys.stderr)
        return REFUSED
    print(json.dumps({"at": _at(found), "wallets": rows}) if args.json else "\n".join(_lines(found, rows)))
    return 0


async def _balances(settings: Settings, args: argparse.Namespace) -> "Balances":
    from ledger.replay.at_offset import balances_at
    from ops.journal import partition_of, require_kafka

    await require_kafka(settings)
    if args.market is None and args.partition is None:
        partition = await _only_partition(settings)
    else:
        partition = await partition_of(settings, args.market or "", args.partition)
    with Progress("records", 0) as bar:

        def read(done: int, total: int) -> None:
            bar.total = total
            bar.to(done)

        return await balances_at(settings, partition, args.at_offset, read)


async def _only_partition(settings: Settings) -> int:
    from ledger.replay.topics import Topics
    from runtime.journal.errors import Refused
    from schemas.topics import COMMANDS

    used = [number for number, (_, end) in (await Topics(settings).bounds(COMMANDS)).items() if end]
    if len(used) != 1:
        raise Refused("An offset belongs to one partition of the journal: name the --market.")
    return used[0]


def shown(found: "Balances", user: str | None) -> Iterable[dict[str, Any]]:
    """Wallets that have anything, in the order of users and assets; amounts as text."""
    from runtime.journal.errors import Refused

    if user is not None and user not in found.names.values() and user not in map(str, found.names):
        raise Refused(f"There was no user {user} then.")
    for (user_id, asset), wallet in sorted(found.wallets.items()):
        name = found.names.get(user_id, "")
        if user in (None, name, str(user_id)) and (wallet.available or wallet.held or wallet.pending):
            scale = found.scales[asset]
            amounts = {kind: _amount(asset, scale, getattr(wallet, kind)) for kind in ("available", "held", "pending")}
            yield {"user_id": user_id, "user": name, "asset": asset, **amounts}


def _amount(asset: str, scale: int, atoms: int) -> str:
    """As the API writes it: money with two decimals at least."""
    from ledger.accounts import HOME_CURRENCY
    from schemas.money import money_text, quantity_text

    return money_text(atoms, scale) if asset == HOME_CURRENCY else quantity_text(atoms, scale)


def _at(found: "Balances") -> str:
    from schemas.times import from_epoch_ms, text

    return text(from_epoch_ms(found.at_ms))


def _lines(found: "Balances", rows: list[dict[str, Any]]) -> Iterable[str]:
    yield f"as of {_at(found)}"
    yield f"{'USER':<24} {'ASSET':<8} {'AVAILABLE':>24} {'HELD':>24} {'PENDING':>24}"
    for row in rows:
        name = f"{row['user']} ({row['user_id']})"
        yield f"{name:<24} {row['asset']:<8} {row['available']:>24} {row['held']:>24} {row['pending']:>24}"
