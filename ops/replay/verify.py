"""`tidemark replay verify`: executes the journal in a fresh engine, and compares every execution and trade with it.

It only reads, beside the running exchange. Exit code 0: the same; 1: it differs; 2: what was asked makes no sense.
"""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ops.progress import Progress
from runtime.embedded.home import resolve
from runtime.settings import Settings, load

if TYPE_CHECKING:
    from ops.replay.verdicts import Tell
    from runtime.journal.verifying import Stretch

DIFFERS = 1
REFUSED = 2


def register(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = actions.add_parser(
        "verify",
        help="execute the journal again and compare every execution and trade",
        description="Executes the journal in a fresh engine and compares every execution, every trade and both chains. "
        "It only reads. Exit code 0: the same; 1: it differs, and the first difference is told; 2: asked wrongly.",
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--market", metavar="SYMBOL", help="one market")
    which.add_argument("--all", action="store_true", help="every market, and what belongs to none")
    parser.add_argument(
        "--partition", type=int, metavar="P", help="where the market is, when the books cannot be asked"
    )
    start = parser.add_mutually_exclusive_group()
    start.add_argument("--from-start", action="store_true", help="the whole history (the default)")
    start.add_argument("--from-snapshot", action="store_true", help="from the newest snapshot on")
    start.add_argument("--from-offset", type=_offset, metavar="N", help="compare from this journal offset on")
    parser.add_argument("--to-offset", type=_offset, metavar="N", help="compare up to this journal offset")
    cores = os.cpu_count() or 1
    parser.add_argument("--jobs", type=int, default=cores, metavar="J", help=f"partitions at once (default {cores})")
    parser.add_argument("--json", action="store_true", help="a JSON object instead of sentences")
    parser.set_defaults(run=run)


def _offset(text: str) -> int:
    if not text.isdigit() or len(text) > 18:
        raise argparse.ArgumentTypeError(f"{text!r} is no journal offset: write a whole number from 0 on")
    return int(text)


def run(args: argparse.Namespace) -> int:
    from ops.journal import in_sentences
    from ops.replay.verdicts import verdicts
    from runtime.journal.errors import Refused

    if args.all and (args.from_offset, args.to_offset, args.partition) != (None, None, None):
        print("tidemark: an offset belongs to one partition: name the --market.", file=sys.stderr)
        return REFUSED
    settings = resolve(load())
    try:
        with in_sentences(), Progress("records", 0) as progress:
            stretches = asyncio.run(_stretches(settings, args))
            found = verdicts(settings, stretches, max(1, args.jobs), _telling(progress))
    except Refused as reason:
        print(f"tidemark: {reason}", file=sys.stderr)
        return REFUSED
    ok = all(verdict["difference"] is None for verdict in found)
    print(json.dumps({"ok": ok, "verdicts": found}) if args.json else "\n".join(_lines(found)))
    return 0 if ok else DIFFERS


async def _stretches(settings: Settings, args: argparse.Namespace) -> "list[Stretch]":
    """What was asked for: one market, or every partition in which anything is."""
    from agents.matching.agent import PROGRAM
    from ops.journal import partition_of, require_kafka
    from runtime.journal.reader import Reader
    from runtime.journal.verifying import Stretch

    await require_kafka(settings)
    whole = not args.from_snapshot and args.from_offset is None
    if args.market is not None:
        number = await partition_of(settings, args.market, args.partition)
        return [Stretch(partition=number, market=args.market, first=args.from_offset, last=args.to_offset, whole=whole)]
    topic = settings.topic(PROGRAM.journal.name)
    bounds = await Reader(settings, PROGRAM.name).bounds(topic, range(settings.kafka_partitions))
    return [Stretch(partition=number, whole=whole) for number, (_, end) in bounds.items() if end]


def _telling(progress: Progress) -> "Tell":
    """One bar for all that is verified at once."""
    known: dict[Stretch, tuple[int, int]] = {}

    def tell(stretch: "Stretch", done: int, of: int) -> None:
        known[stretch] = done, of
        progress.total = sum(total for _, total in known.values())
        progress.to(sum(executed for executed, _ in known.values()))

    return tell


def _lines(verdicts: Iterable[dict[str, Any]]) -> Iterable[str]:
    """For a person."""
    from runtime.journal.comparing import Difference

    for verdict in verdicts:
        whose = verdict["market"] or "everything"
        if verdict["next"] <= verdict["first"]:
            yield (
                f"partition {verdict['partition']}, {whose}: the newest snapshot is at offset {verdict['first']}, "
                "where the journal ends: NOTHING was compared."
            )
            continue
        rate = verdict["commands"] / max(verdict["seconds"], 0.001)
        yield (
            f"partition {verdict['partition']}, {whose}: {verdict['commands']:,} commands executed from offset "
            f"{verdict['first']} to {verdict['next'] - 1} in {verdict['seconds']:.1f} s ({rate:,.0f}/s)"
        )
        for topic, row in verdict["topics"].items():
            yield f"  {topic}: " + ", ".join(f"{count:,} {name}" for name, count in row.items() if count)
        for market, chains in verdict["chains"].items():
            yield f"  {market}: " + ", ".join(f"{topic} chain {chain}" for topic, chain in chains.items())
        if verdict["difference"] is None:
            yield "  The same."
        else:
            yield f"  DIFFERENT: {Difference(**verdict['difference'])}"
