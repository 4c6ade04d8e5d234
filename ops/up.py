"""`tidemark up`: the whole exchange in the foreground, until it is told to stop.

The console shows where a start has got to and what goes wrong; the whole story is in the logs of the data folder.
"""

import argparse
import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import Iterator
from typing import IO

from runtime.embedded import runfiles
from runtime.embedded.home import Home
from runtime.embedded.program import Broken, Progress
from runtime.settings import Settings, load

MOST_APIS = 16
STOPS = (signal.SIGINT, signal.SIGTERM)


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "up",
        help="start everything, and stop it on Ctrl-C",
        description="Starts the servers, migrates, creates topics, starts the exchange, and stays in the foreground.",
    )
    parser.add_argument("--servers-only", action="store_true", help="only PostgreSQL, Valkey and Kafka")
    parser.add_argument(
        "--scale", type=scale, default=1, dest="apis", metavar="api=N", help="N processes of the API (default 1)"
    )
    parser.set_defaults(run=run)


def scale(text: str) -> int:
    """How many APIs. The agents need no second process on one machine: a market is one core's work at most."""
    name, _, number = text.partition("=")
    if name != "api" or number not in map(str, range(1, MOST_APIS + 1)):
        raise argparse.ArgumentTypeError(f"write api=N, with N from 1 to {MOST_APIS}")
    return int(number)


def run(args: argparse.Namespace) -> int:
    import uvloop

    settings = load()
    home = Home(settings.home)
    with home.lock(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_up(settings, home, servers_only=args.servers_only, apis=args.apis))
    return 0


async def _up(settings: Settings, home: Home, *, servers_only: bool, apis: int) -> None:
    """Returns after everything has stopped, since somebody said so."""
    progress = console()
    with _told_to_stop(progress) as told, (home.logs / "supervisor.log").open("a", encoding="utf-8") as log:
        runfiles.clear(home)  # what a supervisor that was killed said last is not true any more
        await _supervise(settings, home, progress, told, log, servers_only=servers_only, apis=apis)
    progress("everything has stopped")


async def _supervise(
    settings: Settings,
    home: Home,
    progress: Progress,
    told: asyncio.Event,
    log: IO[str],
    *,
    servers_only: bool,
    apis: int,
) -> None:
    from ops.plan import Planner
    from runtime.embedded.doctor import examine_quickly  # imported when signals are heard: it takes a while
    from runtime.embedded.supervisor import Supervisor
    from runtime.embedded.supervisor import run as supervise
    from runtime.telemetry import logs

    logs.configure(home.resolve(settings), "supervisor", log)
    if problems := examine_quickly(settings, home, servers_only=servers_only):
        raise Broken("\n".join(str(problem) for problem in problems))
    plan = Planner(settings, home, progress, apis).parts(servers_only=servers_only)
    ready = banner(settings, home, servers_only=servers_only, apis=apis)
    await supervise(Supervisor(home, plan, progress=progress), told, lambda: print(ready, flush=True))


def console() -> Progress:
    """Lines with the seconds since the start."""
    begin = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - begin:6.1f} s  {line}", file=sys.stderr, flush=True)

    return say


@contextlib.contextmanager
def _told_to_stop(progress: Progress) -> Iterator[asyncio.Event]:
    """Set by the first signal; the ones after it change nothing. `nohup` keeps us alive when the terminal ends."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()

    def hear(number: signal.Signals) -> None:
        if told.is_set():
            progress(f"{number.name}: already stopping")
        else:
            progress(f"{number.name}: stopping")
            told.set()

    heard = [*STOPS, *([signal.SIGHUP] if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN else [])]
    for number in heard:
        loop.add_signal_handler(number, hear, number)
    try:
        yield told
    finally:
        for number in heard:
            loop.remove_signal_handler(number)


def banner(settings: Settings, home: Home, *, servers_only: bool, apis: int = 1) -> str:
    """What a newcomer needs now: where it is, how to log in, one thing to try."""
    if servers_only:
        resolved = home.resolve(settings)
        return (
            f"\n  PostgreSQL  {resolved.postgres_host}:{resolved.postgres_port}"
            f"\n  Valkey      {resolved.redis_host}:{resolved.redis_port}"
            f"\n  Kafka       {resolved.kafka_bootstrap}\n"
        )
    from ledger.seed import refusal
    from runtime.embedded.processes import api_address, more_apis

    address = f"http://{api_address(settings)}"
    login = "\n  Login    admin / new_password  (demo data; only in the sandbox)" if settings.sandbox else ""
    if login and refusal(settings):
        login = "\n  Danger   others can reach this sandbox: deposits are free, and its admin may have a known password"
    others = "".join(f"\n  And at   http://{one.address}" for one in more_apis(settings, home, apis))
    return (
        f"\n  Tidemark is ready at {address}{others}{login}"
        f"\n  Try      curl {address}/api/v1/markets/"
        f"\n  Data     {home.path}"
        f"\n  Stop     Ctrl-C\n"
    )
