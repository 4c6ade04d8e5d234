"""`python -m runtime.journal.bench`: a worker of the tally, for measurements and crash tests."""

import argparse
import asyncio

import uvloop

from runtime import settings
from runtime.journal.bench.tally import PROGRAM
from runtime.journal.group import Membership
from runtime.journal.halt import halt
from runtime.journal.process import serve
from runtime.journal.rounds import Budget, Rhythm
from runtime.journal.worker import MachineWorker
from runtime.telemetry import logs


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--instance")
    parser.add_argument("--session", type=float, default=6.0)
    parser.add_argument("--round-commands", type=int, default=Rhythm.commands)
    parser.add_argument("--round-seconds", type=float, default=Rhythm.seconds)
    parser.add_argument("--share", type=float, default=Budget.share)
    parser.add_argument("--lifetime", type=float, default=600.0, help="seconds after which it ends, whatever happens")
    args = parser.parse_args()
    here = settings.load()
    logs.configure(here, "journal-bench")

    def build() -> MachineWorker:
        asyncio.get_running_loop().call_later(args.lifetime, halt, "the lifetime of a bench worker is over")
        return MachineWorker(
            here,
            PROGRAM,
            membership=Membership(args.instance, args.session, args.session / 4),
            budget=Budget(args.share),
            rhythm=lambda: Rhythm(args.round_commands, args.round_seconds),
        )

    uvloop.run(serve(build))


if __name__ == "__main__":
    main()
