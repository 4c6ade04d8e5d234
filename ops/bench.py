"""`tidemark bench [NAME...]`: measures on servers of its own, or on those that the settings name, and prints tables.

A bench is a `BENCH` in a module listed below; the measuring itself is `runtime/bench.py`.
"""

import argparse
import asyncio
import contextlib
import dataclasses
import importlib
import logging
import secrets
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from runtime.bench import Bench, Measuring, Row, report, table, this_machine
from runtime.settings import Settings, load

MODULES = (
    "runtime.anchors",
    "runtime.journal.bench.measure",
    "agents.matching.bench.measure",
    "agents.wallet.bench",
    "ops.replay.bench",
    "ops.replay.books_bench",
    "api.bench",
    "api.sockets.bench.measure",
)


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("bench", help="measure speed", description="Measures and prints tables.")
    parser.add_argument("name", nargs="*", help="which benches; all without a name")
    parser.add_argument("--list", action="store_true", help="name the benches and stop")
    parser.add_argument("--repeats", type=int, default=5, help="how often each figure is measured (default 5)")
    parser.add_argument("--cold", action="store_true", help="measure on a broker that has only just started")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every repeat to a file as well")
    parser.set_defaults(run=run)


def benches() -> dict[str, Bench]:
    """All benches by name, in the order of the table."""
    found = [importlib.import_module(module).BENCH for module in MODULES]
    return {bench.name: bench for bench in found}


def run(args: argparse.Namespace) -> int:
    import uvloop

    known = benches()
    if args.list:
        print("\n".join(f"{bench.name:<16} {bench.summary}" for bench in known.values()))
        return 0
    if unknown := [name for name in args.name if name not in known]:
        print(f"tidemark: no bench is called {unknown[0]}: there are {', '.join(known)}.", file=sys.stderr)
        return 2
    if args.repeats < 1:
        print("tidemark: --repeats is at least 1.", file=sys.stderr)
        return 2
    chosen = [known[name] for name in args.name or known]
    machine, settings = this_machine(), load()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it tells every retry on a topic just made; faults raise
    print(f"{machine}; the journal is {'' if settings.journal_flush else 'not '}flushed per batch\n", flush=True)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            measured = runner.run(_measure_all(settings, chosen, args.repeats, is_cold=args.cold))
        except asyncio.CancelledError:
            print("tidemark: stopped.", file=sys.stderr)
            return 128 + signal.SIGTERM
    if args.json is not None:
        args.json.write_text(report(machine, settings, measured), encoding="utf-8")
    return 0


async def _measure_all(
    settings: Settings, chosen: Sequence[Bench], repeats: int, *, is_cold: bool
) -> dict[str, Sequence[Row]]:
    measured: dict[str, Sequence[Row]] = {}
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)  # the servers and their folder go too
    async with contextlib.AsyncExitStack() as stack:
        if any(bench.needs_servers for bench in chosen):
            settings = await stack.enter_async_context(servers(settings, is_cold=is_cold))
        for bench in chosen:
            measuring = Measuring(settings, repeats=repeats, progress=_say)
            await bench.measure(measuring)
            measured[bench.name] = measuring.rows
            print(f"{bench.name}: {bench.summary}; median of {repeats}\n{table(measuring.rows)}\n", flush=True)
    return measured


def _say(line: str) -> None:
    print(f"  {line}", file=sys.stderr, flush=True)


@contextlib.asynccontextmanager
async def servers(settings: Settings, *, is_cold: bool = True) -> AsyncIterator[Settings]:
    """Servers in a folder of their own, gone afterwards; those whose address is set are used, in a name space."""
    from ops.plan import Planner
    from runtime.anchors import warm_up
    from runtime.embedded.home import Home
    from runtime.embedded.supervisor import Supervisor

    with tempfile.TemporaryDirectory(prefix="tidemark-", ignore_cleanup_errors=True) as folder:
        home = Home(Path(folder))
        settings = dataclasses.replace(settings, home=home.path)
        with home.lock():
            supervisor = Supervisor(home, Planner(settings, home, _say).parts(servers_only=True), progress=_say)
            try:
                await supervisor.start()
                resolved = dataclasses.replace(home.resolve(settings), namespace=f"bench_{secrets.token_hex(4)}")
                if not is_cold:
                    _say("Warming the broker up ...")
                    await warm_up(dataclasses.replace(resolved, namespace=f"{resolved.namespace}_warm"))
                yield resolved
            finally:
                await supervisor.stop()
