"""`tidemark status`: one row per process, whatever is down; succeeds only when all are ready."""

import argparse
import asyncio
import dataclasses
import json
from collections.abc import Iterable, Sequence

from runtime.embedded.status import Row, all_ready, rows
from runtime.settings import load

HEADINGS = ("NAME", "PID", "STATE", "RESTARTS", "ADDRESS", "LAG")
PARTITION_HEADINGS = ("NAME", "TOPIC", "PARTITION", "NEXT", "LAG")


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "status", help="show what runs", description="Shows every process; exit code 0 only when all are ready."
    )
    parser.add_argument("--json", action="store_true", help="a JSON array instead of a table")
    parser.add_argument("--partitions", action="store_true", help="and how far each process is in each partition")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    found = asyncio.run(rows(load()))
    print(as_json(found) if args.json else as_table(found))
    if args.partitions and not args.json:
        print(f"\n{partitions(found)}")
    return 0 if all_ready(found) else 1


def as_json(found: list[Row]) -> str:
    return json.dumps([dataclasses.asdict(row) for row in found])


def as_table(found: list[Row]) -> str:
    """A line per process."""
    return _columns(HEADINGS, [(row.name, row.pid, row.state, row.restarts, row.address, row.lag) for row in found])


def partitions(found: list[Row]) -> str:
    """A line per partition that a process follows."""
    lines = [(row.name, one.topic, one.partition, one.next, one.lag) for row in found for one in row.partitions]
    return _columns(PARTITION_HEADINGS, lines)


def _columns(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """As wide as their widest word."""
    lines = [headings, *(["-" if value is None else str(value) for value in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    return "\n".join(
        "  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
