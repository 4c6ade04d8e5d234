"""`tidemark status`: one row per process, whatever is down; succeeds only when all are ready."""

import argparse
import asyncio
import dataclasses
import json

from runtime.embedded.status import Row, all_ready, rows
from runtime.settings import load

HEADINGS = ("NAME", "PID", "STATE", "ADDRESS", "LAG")


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "status", help="show what runs", description="Shows every process; exit code 0 only when all are ready."
    )
    parser.add_argument("--json", action="store_true", help="a JSON array instead of a table")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    found = asyncio.run(rows(load()))
    print(as_json(found) if args.json else as_table(found))
    return 0 if all_ready(found) else 1


def as_json(found: list[Row]) -> str:
    return json.dumps([dataclasses.asdict(row) for row in found])


def as_table(found: list[Row]) -> str:
    """Columns as wide as their widest word."""
    lines = [
        HEADINGS,
        *(tuple("-" if value is None else str(value) for value in dataclasses.astuple(row)) for row in found),
    ]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    return "\n".join(
        "  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
