"""`tidemark replay books`: makes the books again from the topics, in a schema beside the live ones, and compares them.

The exchange goes on meanwhile. Exit code 0: the same, row by row; 1: they differ; 2: what was asked makes no sense.
"""

import argparse
import asyncio
import dataclasses
import json
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ops.progress import Progress
from runtime.embedded.home import resolve
from runtime.settings import Settings, load

if TYPE_CHECKING:
    from ledger.replay.copying import Copied

DIFFERS = 1
REFUSED = 2


def register(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = actions.add_parser(
        "books",
        help="make the books again from the topics and compare them row by row",
        description="Makes all of the books from the topics alone, in a schema of their own beside the live ones, and "
        "compares every row. Exit code 0: the same; 1: they differ, and the first ones are told; 2: asked wrongly.",
    )
    parser.add_argument("--into", required=True, metavar="SCHEMA", help="where to make them; must be empty")
    parser.add_argument("--drop", action="store_true", help="remove the copy when it is the same")
    parser.add_argument("--json", action="store_true", help="a JSON object instead of sentences")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    import uvloop

    from ledger.replay.copying import Refused
    from ops.journal import in_sentences

    settings = resolve(load())
    try:
        with in_sentences(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            copied = runner.run(_copy(settings, args.into, drop=args.drop))
    except Refused as reason:
        print(f"tidemark: {reason}", file=sys.stderr)
        return REFUSED
    print(json.dumps(as_json(copied)) if args.json else "\n".join(_lines(copied, args.into)))
    return 0 if _is_same(copied) else DIFFERS


async def _copy(settings: Settings, into: str, *, drop: bool) -> "Copied":
    from ledger.connection import books
    from ledger.replay.copying import copy
    from ops.journal import require_kafka
    from runtime import collector

    await require_kafka(settings)
    collector.spare()
    with Progress("records", 0) as bar:

        def read(done: int, total: int) -> None:
            bar.total = total
            bar.to(done)

        copied = await copy(settings, into, read)
    if drop and _is_same(copied):
        async with books(settings) as connection:
            await connection.execute(f'drop schema "{into}" cascade')
    return copied


def _is_same(copied: "Copied") -> bool:
    return not copied.compared.differing and not copied.wrong


def as_json(copied: "Copied") -> dict[str, Any]:
    from ledger.replay.comparing import LEFT_OUT, NOT_TOLD

    compared = copied.compared
    return {
        "ok": _is_same(copied),
        "records": copied.records,
        "trades": copied.trades,
        "seconds": round(copied.seconds, 3),
        "rows": compared.rows,
        "differing": compared.differing,
        "first": [dataclasses.asdict(one) for one in compared.first],
        "wrong": [str(one) for one in copied.wrong],
        "not_compared": {"columns": LEFT_OUT, "tables": NOT_TOLD},
    }


def _lines(copied: "Copied", into: str) -> Iterable[str]:
    compared, rate = copied.compared, copied.trades / max(copied.seconds, 0.001)
    yield (
        f"{copied.records:,} records, {copied.trades:,} trades made again in {into} in {copied.seconds:.1f} s "
        f"({rate:,.0f} trades/s)"
    )
    for table, rows in compared.rows.items():
        yield f"  {table}: {rows:,} rows, {compared.differing.get(table, 0):,} differ"
    yield from map(str, compared.first)
    yield from (f"made again, {one}" for one in copied.wrong)
    if not _is_same(copied):
        yield f"The books differ from what the topics say; the copy is in the schema {into}."
    else:
        yield "The live books are what the topics say."
