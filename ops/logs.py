"""`tidemark logs NAME`: the last lines of one process, and with `-f` what it writes from now on."""

import argparse
import sys
import time

from runtime.embedded.home import Home
from runtime.embedded.logfiles import LogFile
from runtime.embedded.program import Broken
from runtime.settings import load

LOOK_EVERY_S = 0.2


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("logs", help="show what a process wrote", description="Shows a process' log.")
    parser.add_argument("name", metavar="NAME", help="a name of `tidemark status`")
    parser.add_argument("-f", "--follow", action="store_true", help="go on with what is written from now on")
    parser.add_argument("-n", "--lines", type=int, default=50, metavar="N", help="how many lines (default 50)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    log_file = find(Home(load().home), args.name)
    end = log_file.size()
    for line in log_file.last_lines(args.lines, end=end):
        print(line)
    sys.stdout.flush()
    if args.follow:
        for text in log_file.follow(end, lambda: time.sleep(LOOK_EVERY_S)):
            print(text, end="", flush=True)
    return 0


def find(home: Home, name: str) -> LogFile:
    """The log of that process; Broken names those that there are."""
    there = sorted(path.stem for path in home.logs.glob("*.log"))
    if name not in there:
        choice = f"there is {', '.join(there)}" if there else "nothing was started with this folder yet"
        raise Broken(f"{home.logs} has no log of {name!r}: {choice}.")
    return LogFile(home.logs / f"{name}.log")
