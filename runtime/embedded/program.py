"""What the supervisor knows about anything it runs: prepare once, start this command, probe until it answers.

A program that is late raises NotReady and is asked again; one that cannot work raises Broken and ends the start.
"""

import dataclasses
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

RESTARTS = "TIDEMARK_RESTARTS"
"""The variable that tells a child how often it was started again."""
Progress = Callable[[str], None]
"""Takes one line for a person who waits; silence is `quiet`."""


class NotReady(Exception):  # noqa: N818  -- a state of the world, not a fault
    """One sentence: why the program does not serve yet."""


class Broken(Exception):  # noqa: N818  -- one of the three families of error, by its name
    """One sentence: what is wrong and what mends it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Command:
    """How to start a program, and how to stop it. `env` is the whole environment of the child."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGTERM  # sent by the kernel when the supervisor is gone
    death_signal_in_argv: bool = False  # argv arranges that by itself; the spawner need not
    stop_timeout_s: float = 8


class Program(Protocol):
    """One child of the supervisor."""

    @property
    def name(self) -> str: ...

    @property
    def address(self) -> str | None:
        """`host:port`, if it listens."""

    async def prepare(self) -> None:
        """Idempotent work before a start; raises Broken and leaves nothing half-made."""

    def command(self) -> Command: ...

    async def probe(self) -> None:
        """One real attempt to be served, bounded in time; raises NotReady."""


def quiet(_line: str) -> None:
    """Progress for nobody."""
