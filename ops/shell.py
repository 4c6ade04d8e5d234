"""`tidemark shell`: Python with top-level await, and the connections open: settings, db, redis, producer."""

import argparse
import ast
import asyncio
import code
import concurrent.futures
import contextlib
import inspect
import signal
import sys
import traceback
import types
from collections.abc import AsyncIterator
from typing import Any

from runtime.embedded import knock
from runtime.embedded.home import resolve
from runtime.embedded.program import Broken, NotReady
from runtime.settings import Settings, load

BANNER = """Tidemark, Python {python}. `await` works at the top level. Ready to use:
  settings   the settings of this instance
  db         a pool of PostgreSQL connections:  await db.fetch("select * from wallets")
  redis      a client:                          await redis.ping()
  producer   a Kafka producer, started:         await producer.send_and_wait(settings.topic("trades"), b"{{}}")"""


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "shell", help="Python with the connections open", description="Python with top-level await."
    )
    parser.add_argument("-c", dest="command", metavar="CODE", help="run this and end")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_session(resolve(load()), args.command))


async def _session(settings: Settings, command: str | None) -> int:
    await _knock(settings)
    async with connections(settings) as names:
        console = AsyncConsole(names, asyncio.get_running_loop())
        if command is not None:
            return await asyncio.to_thread(console.run_once, command)
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, console.interrupt)
        banner = BANNER.format(python=sys.version.split()[0])
        await asyncio.to_thread(console.interact, banner=banner, exitmsg="")
        return 0


async def _knock(settings: Settings) -> None:
    """A server that is away is told in a sentence; the client libraries would tell it in a trace."""
    servers = {"PostgreSQL": knock.knock_postgres, "Redis": knock.knock_valkey, "Kafka": knock.knock_kafka}
    for name, asked in servers.items():
        try:
            await asked(settings)
        except NotReady as reason:
            raise Broken(f"{name} does not answer ({reason}): start everything with `make run`.") from reason


@contextlib.asynccontextmanager
async def connections(settings: Settings) -> AsyncIterator[dict[str, Any]]:
    """What the shell's names stand for, open until it ends."""
    from runtime import kafka, postgres
    from runtime import redis as valkey

    async with contextlib.AsyncExitStack() as stack:
        db = await postgres.pool(settings, max_size=2, application="shell", plans=postgres.Plans.ANY)
        stack.push_async_callback(db.close)
        redis = await stack.enter_async_context(valkey.client(settings, name="shell"))
        producer = await stack.enter_async_context(kafka.running(kafka.producer(settings, name="shell")))
        yield {"settings": settings, "db": db, "redis": redis, "producer": producer, "asyncio": asyncio}


class AsyncConsole(code.InteractiveConsole):
    """Reads in a thread of its own and runs what it read on the loop, where the connections live."""

    def __init__(self, names: dict[str, Any], loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(names)
        self.compile.compiler.flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        self._loop = loop
        self._failed = False
        self._running: concurrent.futures.Future[Any] | None = None

    def interrupt(self) -> None:
        """Ctrl-C ends what runs, not the shell."""
        if self._running is not None:
            self._running.cancel()
        else:
            self.write("\n(Ctrl-D ends the shell)\n")

    def run_once(self, source: str) -> int:
        """Runs one piece of code; 1 when it raised or was no Python."""
        if self.runsource(source, self.filename, "exec"):
            self.write("The code is not complete.\n")
            return 1
        return int(self._failed)

    def runcode(self, code: types.CodeType) -> None:
        """Called by the console with what it has compiled."""
        self._running = asyncio.run_coroutine_threadsafe(self._evaluate(code), self._loop)
        try:
            self._running.result()
        except SystemExit:
            raise
        except BaseException as error:  # a shell shows whatever was raised, and goes on: it is the outermost loop
            self._failed = True
            self.write("".join(traceback.format_exception(error.with_traceback(self._own_frames(error)))))
        finally:
            self._running = None

    def showsyntaxerror(self, filename: str | None = None, **kwargs: Any) -> None:
        self._failed = True
        super().showsyntaxerror(filename, **kwargs)

    async def _evaluate(self, code: types.CodeType) -> Any:
        value = types.FunctionType(code, self.locals)()
        return await value if inspect.iscoroutine(value) else value

    def _own_frames(self, error: BaseException) -> types.TracebackType | None:
        """Where it was raised, from the typed line on: how the shell got there tells nobody anything."""
        frames = error.__traceback__
        while frames is not None and frames.tb_frame.f_code.co_filename != self.filename:
            frames = frames.tb_next
        return frames
