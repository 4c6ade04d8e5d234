"""`python -m agents.settlement.exchange`: the sandbox' exchange. Options also come from TIDEMARK_EXCHANGE_OPTIONS."""

import argparse
import asyncio
import shlex
import signal
import sys
from pathlib import Path

import setproctitle
import uvloop
from aiohttp import web

from agents.settlement.exchange.app import Behaviour, Venue
from agents.settlement.exchange.store import Store
from runtime.settings import Settings, SettingsError, load
from runtime.telemetry import logs
from runtime.telemetry.site import HOST, routes


def parser() -> argparse.ArgumentParser:
    words = argparse.ArgumentParser(prog="exchange", description="An outside exchange, simulated.")
    words.add_argument("--latency", type=float, default=5.0, help="seconds before an order is executed")
    for name in ("fail", "lose-answer", "double-answer", "partial"):
        words.add_argument(f"--{name}", type=int, default=0, metavar="N", help="so many orders of a thousand")
    words.add_argument("--slip", type=int, default=0, metavar="BPS", help="the most that is charged on top")
    words.add_argument("--bind", default=HOST, help="the address to listen on (default this machine only)")
    words.add_argument("--port", type=int, help="where to listen; by default where the supervisor says")
    words.add_argument("--store", type=Path, help="the file of its memory; by default in the data folder")
    return words


async def serve(settings: Settings, args: argparse.Namespace) -> None:
    """Until SIGTERM or SIGINT."""
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    store = Store(args.store or settings.home / "exchange" / "exchange.sqlite")
    behaviour = Behaviour(args.latency, args.fail, args.lose_answer, args.double_answer, args.partial, args.slip)
    application = web.Application()
    application.add_routes([*routes({}), *Venue(store, behaviour).routes()])
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, args.bind, args.port if args.port is not None else settings.site_port).start()
    await told.wait()
    await runner.cleanup()
    store.close()


def main() -> int:
    setproctitle.setproctitle("tidemark: exchange")
    try:
        settings = load()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    args = parser().parse_args([*shlex.split(settings.exchange_options), *sys.argv[1:]])
    logs.configure(settings, "exchange")
    uvloop.run(serve(settings, args))
    return 0


if __name__ == "__main__":
    sys.exit(main())
