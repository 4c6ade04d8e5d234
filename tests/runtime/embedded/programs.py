"""Small real programs for the tests of the supervisor: each is a Python script that runs as a child."""

import asyncio
import dataclasses
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from runtime.embedded.home import start_of
from runtime.embedded.program import Broken, Command, NotReady

SERVE = """
import pathlib, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (print("saving", flush=True), sys.exit(0)))
print("serving", flush=True)
pathlib.Path({mark!r}).touch()
while True:
    time.sleep(0.05)
"""
STUBBORN = """
import pathlib, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
mark = pathlib.Path({mark!r})
mark.touch()
while not mark.with_suffix(".enough").exists():
    time.sleep(0.05)
"""
DEAF = """
import pathlib, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGINT, signal.SIG_IGN)
pathlib.Path({mark!r}).touch()
while True:
    time.sleep(0.05)
"""
FAIL = """
import sys
print("the sky is falling", flush=True)
sys.exit(3)
"""
SLOW = """
import time
print("thinking", flush=True)
while True:
    time.sleep(0.05)
"""


@dataclasses.dataclass
class Script:
    """A program that is ready once its mark is there; each life removes the mark of the one before."""

    name: str
    text: str
    folder: Path
    address: str | None = None
    stop_timeout_s: float = 5
    stop_signal: signal.Signals = signal.SIGTERM
    broken: str | None = None
    prepared: int = 0

    @property
    def mark(self) -> Path:
        return self.folder / f"{self.name}.mark"

    async def prepare(self) -> None:
        self.prepared += 1
        if self.broken:
            raise Broken(self.broken)

    def command(self) -> Command:
        self.mark.unlink(missing_ok=True)
        return Command(
            argv=(sys.executable, "-I", "-S", "-c", self.text.format(mark=str(self.mark))),
            env=dict(os.environ),
            cwd=self.folder,
            stop_signal=self.stop_signal,
            stop_timeout_s=self.stop_timeout_s,
        )

    async def probe(self) -> None:
        if not self.mark.exists():
            raise NotReady("it has not made its mark")


async def until(condition: Callable[[], object], timeout_s: float = 30) -> None:
    """Waits for something to become true; a test that waits in vain fails here."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.01)


def lives(pid: int) -> bool:
    """A zombie does not."""
    return start_of(pid) is not None
