"""`tidemark parked list | retry`: records that matching put aside, the reasons, and another try for those that wait.

What is tried again is the command's row, as an API would send it; bytes that are no command of the books never are.
"""

import argparse
import asyncio
import json
import sys
from typing import Any

from ops.arguments import whole
from ops.progress import Progress
from runtime.embedded.home import resolve
from runtime.settings import Settings, load

REFUSED = 2
SHOWN = 100


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("parked", help="records that matching put aside", description="Parked records.")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="the parked records, their reasons, and what became of their commands")
    listing.add_argument("--waiting", action="store_true", help="only those whose command is still pending")
    listing.add_argument("--limit", type=whole, default=50, help="the newest so many (default 50)")
    retry = actions.add_parser("retry", help="send the pending commands among them again")
    which = retry.add_mutually_exclusive_group(required=True)
    which.add_argument("place", nargs="?", metavar="PARTITION/OFFSET", help="the one parked at this journal place")
    which.add_argument("--all", action="store_true", help="every one whose command is pending")
    retry.add_argument("--wait", type=whole, default=10, metavar="SECONDS", help="for the outcomes (default 10)")
    for action, do in ((listing, _list), (retry, _retry)):
        action.add_argument("--json", action="store_true", help="JSON instead of lines")
        action.set_defaults(run=run, do=do)


def run(args: argparse.Namespace) -> int:
    from ops.journal import in_sentences
    from runtime.journal.errors import Refused

    try:
        with in_sentences():
            code: int = asyncio.run(args.do(resolve(load()), args))
    except Refused as reason:
        print(f"tidemark: {reason}", file=sys.stderr)
        return REFUSED
    return code


async def _list(settings: Settings, args: argparse.Namespace) -> int:
    from ledger.connection import books

    async with books(settings) as connection:
        rows = await _parked(settings, connection)
    shown = [row for row in rows if not args.waiting or row["state"] == "pending"]
    newest = shown[-args.limit :] if args.limit else []
    if args.json:
        print(json.dumps(newest))
        return 0
    if not shown:
        print(f"None of {len(rows)} parked records is waiting." if rows else "Nothing is parked.")
    for row in newest:
        print(_line(row))
    if len(newest) < len(shown):
        print(f"... and {len(shown) - len(newest)} older ones (--limit).")
    return 0


async def _retry(settings: Settings, args: argparse.Namespace) -> int:
    from ledger.connection import books
    from ops.commanding import append
    from runtime.journal.errors import Refused

    async with books(settings) as connection:
        rows = await _parked(settings, connection)
        if not args.all:
            rows = [row for row in rows if args.place == f"{row['partition']}/{row['offset']}"]
            if not rows:
                raise Refused(f"Nothing was parked at {args.place}: `tidemark parked list` shows what was.")
            _require_pending(rows[0])
        ids = sorted({row["command_id"] for row in rows if row["state"] == "pending"})
        places = await append(settings, connection, ids)
        results = [
            {"command_id": command_id, "partition": place.partition, "offset": place.offset}
            | await _outcome(settings, connection, command_id, place, args.wait)
            for command_id, place in places.items()
        ]
    print(json.dumps(results) if args.json else "\n".join(map(_said, results)) or "No parked command is pending.")
    return 0 if all(result["state"] == "decided" for result in results) else 1


def _require_pending(row: dict[str, Any]) -> None:
    from runtime.journal.errors import Refused

    where = f"{row['partition']}/{row['offset']}"
    if row["state"] == "decided":
        raise Refused(f"Command {row['command_id']}, parked at {where}, was decided meanwhile: {row['outcome']}.")
    if row["state"] is None:
        raise Refused(f"What was parked at {where} is no command of the books, and is never sent again.")


async def _parked(settings: Settings, connection: Any) -> list[dict[str, Any]]:
    """All that is kept, oldest first, each journal place once, with what the books say of its command."""
    from agents.matching.agent import PROGRAM
    from ledger.commands import states
    from ops.journal import require_kafka
    from runtime.journal.reader import Reader
    from schemas.topics import PARKED

    await require_kafka(settings)
    reader, topic = Reader(settings, PROGRAM.name), settings.topic(PARKED.name)
    bounds = await reader.bounds(topic, range(settings.kafka_partitions))
    found: dict[tuple[int, int], dict[str, Any]] = {}
    with Progress("parked records", sum(end - begin for begin, end in bounds.values())) as progress:
        for partition, (begin, end) in bounds.items():
            async for records in reader.read(topic, partition, begin, end):
                for row in map(_read, records):
                    found[row["partition"], row["offset"]] = row
                progress.add(len(records))
    rows = sorted(found.values(), key=lambda row: (row["time_ms"], row["partition"], row["offset"]))
    known = await states(connection, sorted({row["command_id"] for row in rows if row["command_id"] is not None}))
    return [row | {"state": None, "outcome": None} | known.get(row["command_id"], {}) for row in rows]


def _read(record: Any) -> dict[str, Any]:
    """What was parked, and the id of the command that it is, if it is one."""
    from schemas.commands import Tick, Undecodable, decode_command

    parked: dict[str, Any] = json.loads(record.value)
    command = decode_command(parked["value"].encode())
    return parked | {"command_id": None if isinstance(command, Undecodable | Tick) else command.command_id}


async def _outcome(settings: Settings, connection: Any, command_id: int, place: Any, wait_s: int) -> dict[str, Any]:
    """Decided, or parked again, or neither in time."""
    from ops.commanding import decided

    found = await decided(connection, command_id, wait_s)
    if found is not None:
        return {"state": "decided", "outcome": found.outcome}
    again = [row for row in await _parked(settings, connection) if (row["partition"], row["offset"]) == place]
    return {"state": "parked", "outcome": again[0]["reason"]} if again else {"state": "pending", "outcome": None}


def _line(row: dict[str, Any]) -> str:
    from schemas.times import from_epoch_ms, text

    value = row["value"] if len(row["value"]) <= SHOWN else f"{row['value'][:SHOWN]}..."
    match row["state"]:
        case None:
            whose = f"{row['bytes']} bytes that are no command of the books: {value!r}"
        case "decided":
            whose = f"command {row['command_id']}, decided meanwhile: {row['outcome']}"
        case state:
            whose = f"command {row['command_id']}, {state}"
    return f"{row['partition']}/{row['offset']}  {text(from_epoch_ms(row['time_ms']))}  {row['reason']}; {whose}"


def _said(result: dict[str, Any]) -> str:
    where = f"command {result['command_id']}, sent again to partition {result['partition']}, offset {result['offset']}"
    match result["state"]:
        case "decided":
            return f"{where}: {result['outcome']}."
        case "parked":
            return f"{where}: parked again, {result['outcome']}."
        case _:
            return f"{where}: not decided in time; are matching and wallet up? `tidemark status` says."
