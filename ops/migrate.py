"""`tidemark migrate`: brings the books' schema up to date."""

import argparse
import asyncio

from runtime.embedded.home import resolve
from runtime.settings import load


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "migrate",
        help="apply the migrations that are missing",
        description="Brings the schema of the books up to date; what was applied already stays.",
    )
    parser.set_defaults(run=run)


def run(_args: argparse.Namespace) -> int:
    from ledger.migrate import migrate
    from ledger.restores import require_recovered

    settings = resolve(load())
    applied = asyncio.run(migrate(settings, lambda line: print(line, flush=True)))
    print(f"{len(applied)} migrations applied." if applied else "Nothing to do: the schema is up to date.")
    asyncio.run(require_recovered(settings))  # it is the first thing that a start in containers does
    return 0
