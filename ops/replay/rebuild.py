"""`tidemark replay rebuild`: makes a view again from the topics, while the exchange goes on.

Exit code 0: it is right now, whatever it was before; 1: it could not be made; 2: what was asked makes no sense.
"""

import argparse
import asyncio
import importlib
import json
import sys
from collections.abc import Sequence
from typing import Any

from ops.progress import Progress
from runtime.embedded.home import resolve
from runtime.settings import Settings, load

VIEWS = ("orderbook", "candles", "trades")
REFUSED = 2


def register(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = actions.add_parser(
        "rebuild",
        help="make a view again while the exchange goes on",
        description="Makes a view again from the topics, beside the agents: the order books in Redis, the candles or "
        "the list of trades in PostgreSQL. Says how much of it was missing or different.",
    )
    parser.add_argument("--view", choices=VIEWS, required=True)
    parser.add_argument("--market", metavar="SYMBOL", help="one market; all without it")
    parser.add_argument("--json", action="store_true", help="a JSON object instead of sentences")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    import uvloop

    from ops.journal import in_sentences
    from runtime.journal.errors import Refused

    try:
        with in_sentences(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            rebuilt = runner.run(_rebuild(resolve(load()), args.view, args.market))
    except Refused as reason:
        print(f"tidemark: {reason}", file=sys.stderr)
        return REFUSED
    if args.json:
        print(json.dumps({"ok": True, "view": args.view, "markets": [one._asdict() for one in rebuilt]}))
    else:
        print("\n".join(_lines(args.view, rebuilt)))
    return 0


async def _rebuild(settings: Settings, view: str, market: str | None) -> Sequence[Any]:
    from ops.journal import listed_partition, require_kafka

    await require_kafka(settings)
    if market is not None:
        await listed_partition(settings, market)
    with Progress("records", 0) as bar:

        def read(done: int, total: int) -> None:
            bar.total = total
            bar.to(done)

        rebuilt: Sequence[Any] = await importlib.import_module(f"ops.replay.{view}").rebuild(settings, market, read)
        return rebuilt


def _lines(view: str, rebuilt: Sequence[Any]) -> list[str]:
    if not rebuilt:
        return [f"There is nothing to make of {view} yet."]
    words = {"orderbook": "the book at seq {made:,}", "candles": "{made:,} candles", "trades": "{made:,} trades"}
    return [
        f"{one.market}: {words[view].format(made=one.made)}, "
        + (f"{one.changed:,} missing, different or invented before" if one.changed else "as it was before")
        for one in rebuilt
    ]
