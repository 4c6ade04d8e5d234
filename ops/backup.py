"""`tidemark backup make | restore FILE`: the books as of one moment in a file, and the way back.

After a restore comes `tidemark recover books`: what happened since the backup is in the topics.
"""

import argparse
import asyncio
import datetime
import json
import time
from pathlib import Path

from runtime.embedded.home import resolve
from runtime.settings import Settings, load


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "backup", help="back the books up, or restore a backup", description="Looks after backups of the books."
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    making = actions.add_parser(
        "make",
        help="write the books to a file, while the exchange runs",
        description="PostgreSQL's own dump, as of one moment, compressed. Hashes of passwords are in it.",
    )
    making.add_argument("file", nargs="?", type=Path, help="default: tidemark-YYYYMMDD-HHMMSS.backup, here")
    making.add_argument("--json", action="store_true", help="a JSON object instead of a sentence")
    making.set_defaults(run=make)
    restoring = actions.add_parser(
        "restore",
        help="put the books of a backup in the place of those that are there",
        description="With the exchange stopped and PostgreSQL running. `tidemark recover books` comes next.",
    )
    restoring.add_argument("file", type=Path)
    restoring.add_argument(
        "--aside", action="store_true", help="keep the books that are there, in a schema of their own"
    )
    restoring.add_argument("--json", action="store_true", help="a JSON object instead of sentences")
    restoring.set_defaults(run=restore)


def make(args: argparse.Namespace) -> int:
    now, began = datetime.datetime.now(datetime.UTC), time.monotonic()
    file: Path = args.file or Path(f"tidemark-{now:%Y%m%d-%H%M%S}.backup")
    size = asyncio.run(_make(resolve(load()), file))
    seconds = time.monotonic() - began
    if args.json:
        print(json.dumps({"ok": True, "file": str(file), "bytes": size, "seconds": round(seconds, 3)}))
    else:
        print(f"{file}: {size:,} bytes in {seconds:.1f} s.")
    return 0


async def _make(settings: Settings, file: Path) -> int:
    from ledger.backup import backup
    from ops.copying import watched

    return await watched(settings, backup(settings, file), schema=settings.postgres_schema)


def restore(args: argparse.Namespace) -> int:
    kept = asyncio.run(_restore(resolve(load()), args.file, aside=args.aside))
    if args.json:
        print(json.dumps({"ok": True, "kept": kept}))
        return 0
    if kept is not None:
        print(f"The books that were here are in the schema {kept}; remove them when all is well again.")
    print("Restored. Next, before anything else runs: tidemark recover books")
    return 0


async def _restore(settings: Settings, file: Path, *, aside: bool) -> str | None:
    from ledger.backup import restore as put_back
    from ops.copying import watched
    from ops.stopped import require_stopped

    await require_stopped(settings)
    return await watched(settings, put_back(settings, file, aside=aside))
