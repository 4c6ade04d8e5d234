"""`tidemark dump`: all data of the books, in one file that `tidemark seed FILE` restores."""

import argparse
import asyncio
import datetime
from pathlib import Path

from runtime.embedded.home import resolve
from runtime.settings import load


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "dump",
        help="write all data of the books to a file",
        description="Writes every table as of one moment, as lines of JSON; `tidemark seed FILE` restores them.",
    )
    parser.add_argument("file", nargs="?", type=Path, help="default: tidemark-YYYYMMDD-HHMMSS.jsonl, here")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the same")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from ledger.dump import dump

    now = datetime.datetime.now(datetime.UTC)
    file: Path = args.file or args.out or Path(f"tidemark-{now:%Y%m%d-%H%M%S}.jsonl")
    rows = asyncio.run(dump(resolve(load()), file, lambda line: print(line, flush=True)))
    print(f"{rows} rows in {file}.")
    return 0
