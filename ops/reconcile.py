"""`tidemark reconcile`: proves the books from the books alone, as of one moment; fails when something is wrong."""

import argparse
import asyncio
import dataclasses
import json
import sys

from runtime.embedded.home import resolve
from runtime.settings import Settings, load


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "reconcile",
        help="prove that no atom is missing or extra",
        description="Checks money, holds, keys and trades in one snapshot; exit code 1 when something is wrong.",
    )
    parser.add_argument("--json", action="store_true", help="a JSON object instead of sentences")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    return asyncio.run(_reconcile(resolve(load()), as_json=args.json))


async def _reconcile(settings: Settings, *, as_json: bool) -> int:
    from ledger.connection import books
    from ledger.reconcile import INVARIANTS, differences, quiet

    async with books(settings) as connection:
        found = await differences(connection, _progress if sys.stderr.isatty() else quiet)
    if as_json:
        rows = [dataclasses.asdict(difference) for difference in found]
        print(json.dumps({"ok": not found, "invariants": list(INVARIANTS), "differences": rows}))
    else:
        for difference in found:
            print(difference)
        print(f"{len(found)} differences." if found else f"The books are right: {', '.join(INVARIANTS)} hold.")
    return 1 if found else 0


def _progress(done: int, total: int, invariant: str) -> None:
    """A bar that the next one overwrites, and that ends with its line empty."""
    bar = "#" * (20 * done // total)
    print(f"\r[{bar:<20}] {invariant:<4}", end="" if done < total else "\r\033[K", file=sys.stderr, flush=True)
