"""`tidemark seed`: the demo data of the sandbox, or the data of a file that `tidemark dump` wrote."""

import argparse
import asyncio
from pathlib import Path

from runtime.embedded.home import resolve
from runtime.settings import Settings, load


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "seed",
        help="add the demo data, or restore a dump",
        description="Adds the demo data (sandbox only), or restores a dump into books that are empty.",
    )
    parser.add_argument("file", nargs="?", type=Path, help="a file that `tidemark dump` wrote")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    settings = resolve(load())
    return asyncio.run(_restore(settings, args.file) if args.file else _seed(settings))


async def _seed(settings: Settings) -> int:
    from ledger.migrate import migrate
    from ledger.seed import seed

    await migrate(settings, _say)
    if not await seed(settings, _say):
        print("Nothing to do: the demo data is there.")
    return 0


async def _restore(settings: Settings, file: Path) -> int:
    from ledger.migrate import migrate
    from ledger.restore import restore

    await migrate(settings, _say)
    rows = await restore(settings, file, _say)
    print(f"{rows} rows restored.")
    return 0


def _say(line: str) -> None:
    print(line, flush=True)
