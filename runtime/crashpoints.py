"""Named places where a test may kill this process as hard as the kernel can, to see what a crash there leaves behind.

`CRASH_AT=name:n` is read only under `TIDEMARK_TEST=1`, at import; the n-th pass of that point is the last thing the
process does. Without it a point costs one call of an empty function. The table below names every point there is.
"""

import os
import signal
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn

POINTS: dict[str, str] = {
    "api.after_hold": "an order and its command are in the books, nothing is in the journal",
    "api.after_produce": "Kafka has the command, the client has no answer",
    "relay.after_claim": "commands are claimed for sending again, none is sent",
    "journal.at_assignment": "a partition came to this worker, its state is restored, nothing is re-executed yet",
    "journal.after_consume": "a run of records has arrived, none is applied",
    "journal.before_produce": "the run is applied, no output is sent",
    "journal.after_outputs": "all outputs below the round are acknowledged, no slot is sent",
    "journal.after_slots": "the round's slots are acknowledged, its manifest is not sent",
    "journal.after_manifest": "the manifest is acknowledged, its offset is not committed",
    "sink.before_apply": "a run was judged, the store has not begun",
    "sink.after_apply": "the store has committed the run, the offset is not committed",
    "topics.after_create": "the topics exist, the start has not gone on",
    "desk.after_intent": "the intent to buy a batch is written, the exchange is not asked",
    "desk.after_answer": "the exchange has answered, its word is not written down",
    "desk.after_tell": "Kafka has the fill, the attempt does not say so",
    "outbox.after_produce": "Kafka has the entries, their rows are still in the outbox",
}
"""Every point, and what is true when it is passed. A test compares this with the calls in the code."""


class CrashPointError(Exception):
    """A crash point is unknown or CRASH_AT is malformed: the message says which and what would be right."""


def _free(_name: str, /) -> None:
    """What a point does outside tests."""


class _Armed:
    """Counts the passes of every point, and dies at the chosen one."""

    def __init__(self, target: str | None, at: int, trace: Path | None) -> None:
        self._target = target
        self._at = at
        self._trace = trace
        self._passes = 0
        self._lock = threading.Lock()

    def __call__(self, name: str, /) -> None:
        if name not in POINTS:
            raise CrashPointError(f"{name!r} is not in the table of runtime/crashpoints.py: add a row.")
        if name != self._target:
            return
        with self._lock:
            self._passes += 1
            if self._passes == self._at:
                self._die()

    def _die(self) -> NoReturn:
        """The trace is on the disk before the process is gone, so a test can tell that the point was reached."""
        if self._trace is not None:
            line = f"{self._target}:{self._at} {os.getpid()}\n".encode()
            handle = os.open(self._trace, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.write(handle, line)
            os.fsync(handle)
        os.kill(os.getpid(), signal.SIGKILL)
        os._exit(137)


def arm(environ: Mapping[str, str]) -> Callable[[str], None]:
    """What `crashpoint` does in this environment.

    A process that is started again with the same CRASH_TRACE does not die a second time at the same place: the trace
    shows that it has, and the restart is what the test wants to see.
    """
    if environ.get("TIDEMARK_TEST") != "1":
        return _free
    order = environ.get("CRASH_AT", "")
    trace = Path(environ["CRASH_TRACE"]) if environ.get("CRASH_TRACE") else None
    if not order or _has_died(order, trace):
        return _Armed(None, 0, None)
    name, _, count = order.partition(":")
    if name not in POINTS:
        raise CrashPointError(f"CRASH_AT names {name!r}: the points are {', '.join(sorted(POINTS))}.")
    if not (count.isascii() and count.isdigit() and int(count) > 0):
        raise CrashPointError(f"CRASH_AT is {order!r}: write name:n, where n is the number of the last pass, from 1.")
    return _Armed(name, int(count), trace)


def _has_died(order: str, trace: Path | None) -> bool:
    if trace is None or not trace.exists():
        return False
    return any(line.split(" ")[0] == order for line in trace.read_text(encoding="ascii").splitlines())


crashpoint: Callable[[str], None] = arm(os.environ)
