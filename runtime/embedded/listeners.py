"""Who listens on a port, as far as we may know: other users' processes keep their secrets."""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

LISTENING = "0A"


def listener(port: int) -> str | None:
    """`name (process id)` of the one that listens on the port; None when that cannot be seen."""
    pid = _pid_by_kernel(port) if sys.platform == "linux" else _pid_by_lsof(port)
    return None if pid is None else f"{_name_of(pid)} (process id {pid})"


def _pid_by_kernel(port: int) -> int | None:
    sockets = {f"socket:[{inode}]" for table in ("tcp", "tcp6") for inode in _inodes(Path("/proc/net") / table, port)}
    for folder in Path("/proc").glob("[0-9]*/fd"):
        # Suppressed: it ended, or it is another user's.
        with contextlib.suppress(OSError), os.scandir(folder) as descriptors:
            for descriptor in descriptors:
                with contextlib.suppress(OSError):
                    if str(Path(descriptor.path).readlink()) in sockets:
                        return int(folder.parent.name)
    return None


def _inodes(table: Path, port: int) -> list[str]:
    if not table.exists():
        return []
    rows = [line.split() for line in table.read_text(encoding="ascii").splitlines()[1:]]
    return [row[9] for row in rows if row[3] == LISTENING and int(row[1].rpartition(":")[2], 16) == port]


def _pid_by_lsof(port: int) -> int | None:
    if shutil.which("lsof") is None:
        return None
    argv = ("lsof", "-nP", "-t", f"-iTCP:{port}", "-sTCP:LISTEN")
    first = subprocess.run(argv, capture_output=True, text=True, check=False).stdout.split("\n", 1)[0]
    return int(first) if first.isdigit() else None


def _name_of(pid: int) -> str:
    argv = ("ps", "-o", "comm=", "-p", str(pid))
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout.strip() or "a process"
