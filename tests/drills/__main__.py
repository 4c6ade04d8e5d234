"""`make drills`: every recovery practised on the real stack under load, and a table of what came of it.

    python -m tests.drills [--only NAME ...] [--clients N] [--keep]

Exit code 0 when every drill came back and every check held; 1 otherwise, with the reason in the table.
"""

import argparse
import asyncio
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from tests.drills.drills import DRILLS, Outcome, practise


def main() -> int:
    parser = argparse.ArgumentParser(prog="make drills", description="Practises every recovery under load.")
    parser.add_argument("--only", nargs="+", choices=list(DRILLS), metavar="NAME", help=f"of {', '.join(DRILLS)}")
    parser.add_argument("--clients", type=int, default=8, help="how many trade meanwhile (default 8)")
    parser.add_argument("--keep", action="store_true", help="keep the data folder with its logs")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, _stop)
    folder = Path(tempfile.mkdtemp(prefix="tidemark-drills-"))
    try:
        outcomes = asyncio.run(practise(folder, args.only or list(DRILLS), args.clients))
    finally:
        if not args.keep:
            shutil.rmtree(folder, ignore_errors=True)
    print(table(outcomes))
    return 0 if all(outcome.failed is None for outcome in outcomes) else 1


def _stop(_number: int, _frame: object) -> None:
    """Told to stop, it takes with it what it started."""
    raise KeyboardInterrupt


def table(outcomes: list[Outcome]) -> str:
    """A row per drill."""
    head = ("drill", "what was done", "back in", "meanwhile", "checked")
    rows = [head, *(outcome.row() for outcome in outcomes)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.insert(1, "-" * max(map(len, lines)))
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
