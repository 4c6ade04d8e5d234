"""Ties a child's life to the supervisor's, then becomes the child: a script that `child.py` starts in its place.

On Linux the kernel sends the death signal; elsewhere a watchdog process waits at a pipe that only the supervisor
holds open. Nothing of ours is imported, because every start of a child waits for this file.
"""

import ctypes
import os
import select
import signal
import sys
import time

PR_SET_PDEATHSIG = 1
IGNORED_BY_PYTHON = ("SIGPIPE", "SIGXFZ", "SIGXFSZ")  # an ignored signal stays ignored through exec
ABSENT = "-"


def main(arguments: list[str]) -> None:
    """Arguments: supervisor's pid, death signal, pipe (`-` for none), seconds to stop, LC_CTYPE as it was, command."""
    supervisor, death_signal, pipe, stop_timeout_s, lc_ctype, *command = arguments
    if pipe == ABSENT:
        _ask_kernel(int(death_signal))
    else:
        _leave_watchdog(int(pipe), int(death_signal), float(stop_timeout_s))
    if os.getppid() != int(supervisor):  # it died before the tie was there
        sys.exit(f"{command[0]} was not started: the supervisor is gone")
    for name in IGNORED_BY_PYTHON:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    try:
        os.execvpe(command[0], command, _environment(lc_ctype))  # noqa: S606  # becoming another program is the point
    except OSError as error:
        sys.exit(f"{command[0]} cannot be started: {error.strerror}")


def _environment(lc_ctype: str) -> dict[str, str]:
    """As it was given to us: under the C locale, Python changes LC_CTYPE for those that come after it."""
    environ = dict(os.environ)
    environ.pop("LC_CTYPE", None)
    return environ if lc_ctype == ABSENT else environ | {"LC_CTYPE": lc_ctype}


def _ask_kernel(death_signal: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
        sys.exit(f"the kernel refused a death signal: {os.strerror(ctypes.get_errno())}")


def _leave_watchdog(pipe: int, death_signal: int, stop_timeout_s: float) -> None:
    """Forks; the fork watches, the original goes on to become the child."""
    child = os.getpid()
    if os.fork() != 0:
        os.close(pipe)
        return
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    _watch(pipe, child, death_signal, stop_timeout_s)
    os._exit(0)


def _watch(pipe: int, child: int, death_signal: int, stop_timeout_s: float) -> None:
    """Ends when the child does; while it is our parent, its process id cannot have passed to somebody else."""
    while os.getppid() == child:
        if select.select([pipe], [], [], 0.5)[0]:
            break
    else:
        return
    if os.getppid() == child:
        os.kill(child, death_signal)
    deadline = time.monotonic() + stop_timeout_s
    while os.getppid() == child and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(os.getpgid(0), signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1:])
