"""A PostgreSQL that an earlier supervisor left behind, known by its `postmaster.pid`.

Its id may have been given to a stranger since, and PostgreSQL then refuses to start. So a process counts only if it
works in this very data folder; the file of any other is removed, and one of ours is stopped.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
from pathlib import Path

from runtime.embedded.program import Broken

PATIENCE_S = 20.0
STEP_S = 0.05


async def end_leftover(folder: Path) -> None:
    """Afterwards no PostgreSQL runs on the folder and no lock file of a dead one is in the way."""
    file = folder / "postmaster.pid"
    try:
        pid = int(file.read_bytes().split(b"\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return
    if works_in(pid, folder):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGINT)
        await _gone(pid, folder)
    file.unlink(missing_ok=True)


async def _gone(pid: int, folder: Path) -> None:
    for _ in range(round(PATIENCE_S / STEP_S)):
        if not works_in(pid, folder):
            return
        await asyncio.sleep(STEP_S)
    raise Broken(
        f"a PostgreSQL of an earlier start (process id {pid}) still holds {folder} and does not stop: "
        f"stop it with `kill -QUIT {pid}`."
    )


def works_in(pid: int, folder: Path) -> bool:
    """Whether the process is a PostgreSQL of this data folder."""
    proc = Path("/proc") / str(pid)
    if proc.parent.joinpath("self").exists():
        try:
            return (proc / "cwd").resolve(strict=True) == folder.resolve()
        except OSError:  # gone, or a zombie, or somebody else's
            return False
    answer = subprocess.run(
        ["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return str(folder) in answer.stdout
