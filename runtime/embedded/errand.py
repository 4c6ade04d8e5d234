"""Runs a short program to its end: initdb, a format, a fetch. One cancelled or late takes its children along."""

import asyncio
import contextlib
import dataclasses
import os
import shutil
import signal
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from runtime.embedded.program import Broken, Progress, quiet


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How an errand ended, and all it said."""

    code: int
    text: str

    def last_words(self) -> str:
        """The line most likely to say why it failed."""
        lines = [line.strip() for line in self.text.splitlines() if line.strip()]
        lines = [line for line in lines if not line.startswith("at ")]  # of a stack, the head says it
        telling = [line for line in lines if any(word in line.lower() for word in ("error", "fatal", "exception"))]
        return (telling or lines[-1:] or [f"exit code {self.code}"])[0][:300]


async def errand(
    argv: tuple[str, ...],
    *,
    env: Mapping[str, str],
    cwd: Path,
    timeout_s: float,
    stdin: str = "",
    on_line: Progress = quiet,
) -> Outcome:
    """Runs argv; output and errors are one text. Raises Broken when it cannot start or takes too long."""
    try:
        async with asyncio.timeout(timeout_s), started(argv, env=env, cwd=cwd, with_stdin=bool(stdin)) as child:
            return await _follow(child, stdin, on_line)
    except TimeoutError:
        raise Broken(f"{Path(argv[0]).name} did not end within {timeout_s:.0f} s.") from None


@contextlib.asynccontextmanager
async def started(
    argv: tuple[str, ...], *, env: Mapping[str, str], cwd: Path, with_stdin: bool = False
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A child in a session of its own; when the block is left, whatever lives of the session is killed."""
    try:
        child = await asyncio.create_subprocess_exec(
            *dying_with_us(argv),
            env=dict(env),
            cwd=cwd,
            stdin=asyncio.subprocess.PIPE if with_stdin else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise Broken(f"{argv[0]} cannot be run ({error.strerror}).") from error
    try:
        yield child
    finally:
        if child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            await child.wait()


def dying_with_us(argv: tuple[str, ...]) -> tuple[str, ...]:
    """The same command, killed by the kernel when this process dies, where that can be had."""
    setpriv = shutil.which("setpriv")
    return (setpriv, "--pdeathsig", "KILL", *argv) if setpriv else argv


async def _follow(child: asyncio.subprocess.Process, stdin: str, on_line: Progress) -> Outcome:
    assert child.stdout is not None
    if child.stdin is not None:
        # RuntimeError is what uvloop says of a pipe whose reader has ended.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError, RuntimeError):
            child.stdin.write(stdin.encode())
            await child.stdin.drain()
            child.stdin.close()
    lines = []
    async for raw in child.stdout:
        line = raw.decode(errors="replace").rstrip("\n")
        lines.append(line)
        on_line(line)
    return Outcome(await child.wait(), "\n".join(lines))
