"""One life of a child process: from its start, in a session of its own and tied to ours, until it was seen to end.

Whatever it leaves in its process group ends with it. The death signal follows the thread that starts a child, so
only the main thread may.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from runtime.embedded.program import Broken, Command

TETHER = Path(__file__).with_name("tether.py")
ABSENT = "-"
POLL_S = 0.05
KERNEL_SENDS_DEATH_SIGNALS = sys.platform == "linux"


class Life:
    """A running child. `ended` is done, with the exit code, once the process was reaped."""

    def __init__(self, process: subprocess.Popen[bytes], pipe: int | None) -> None:
        self.pid = process.pid
        self._process = process
        self._pipe = pipe
        self._ended: asyncio.Task[int] = asyncio.get_running_loop().create_task(self._reap())

    async def ended(self) -> int:
        """Waits for the end; many may wait, and giving up waiting changes nothing."""
        return await asyncio.shield(self._ended)

    @property
    def over(self) -> bool:
        return self._ended.done()

    async def stop(self, stop_signal: signal.Signals, timeout_s: float) -> bool:
        """Asks the child to end, then makes it; says whether asking was enough."""
        if not self.over:
            os.kill(self.pid, stop_signal)
        try:
            await asyncio.wait_for(self.ended(), timeout_s)
        except TimeoutError:
            if not self.over:
                os.killpg(self.pid, signal.SIGKILL)
            await self.ended()
            return False
        return True

    async def _reap(self) -> int:
        """While the dead leader is not reaped, its number cannot belong to another group: so the group ends first."""
        await _exit_of(self._process)
        with contextlib.suppress(ProcessLookupError, PermissionError):  # the second: macOS, of a group of zombies
            os.killpg(self.pid, signal.SIGKILL)
        if self._pipe is not None:
            os.close(self._pipe)
        return self._process.wait()


def start(command: Command, log: int, *, watchdog: bool = not KERNEL_SENDS_DEATH_SIGNALS) -> Life:
    """Starts the command with its output going to the descriptor; raises Broken when there is no such program."""
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("a child started from another thread would die with that thread")
    reader, writer = os.pipe() if watchdog else (None, None)
    argv = command.argv if command.death_signal_in_argv else _tethered(command, reader)
    try:
        process = subprocess.Popen(
            argv,
            env=command.env,
            cwd=command.cwd,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=() if reader is None else (reader,),
        )
    except OSError as error:
        if writer is not None:
            os.close(writer)
        raise Broken(f"{command.argv[0]} cannot be started in {command.cwd}: {error.strerror}.") from error
    finally:
        if reader is not None:
            os.close(reader)
    return Life(process, writer)


def _tethered(command: Command, pipe: int | None) -> tuple[str, ...]:
    return (
        *(sys.executable, "-I", "-S", str(TETHER)),
        str(os.getpid()),
        str(int(command.death_signal)),
        ABSENT if pipe is None else str(pipe),
        str(command.stop_timeout_s),
        command.env.get("LC_CTYPE", ABSENT),
        *command.argv,
    )


async def _exit_of(process: subprocess.Popen[bytes]) -> None:
    """Returns when the child has ended; where the system can say so without it, the child is not reaped yet."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except (AttributeError, OSError):  # not Linux, or a sandbox that forbids it
        while not _has_ended(process):  # noqa: ASYNC110  # no event tells of it
            await asyncio.sleep(POLL_S)
        return
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    if hasattr(os, "waitid"):
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    return process.poll() is not None


def in_words(code: int) -> str:
    """How a child ended, for a person."""
    if code < 0:
        return f"was killed by {_signal_name(-code)}"
    if code > 128 and code - 128 in _signal_numbers():
        return f"exited with code {code}, which stands for {_signal_name(code - 128)}"
    return f"exited with code {code}"


def _signal_name(number: int) -> str:
    return signal.Signals(number).name if number in _signal_numbers() else f"signal {number}"


def _signal_numbers() -> Iterator[int]:
    return (int(number) for number in signal.Signals)
