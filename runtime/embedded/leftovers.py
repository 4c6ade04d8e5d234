"""What a supervisor that was killed left running: known by process id *and* start, waited for, and only then ended.

Their death signal is at work already when we come, so waiting is the rule and ending them is for those that hang.
"""

import asyncio
import contextlib
import logging
import os
import signal
import time

from runtime.embedded.home import Home
from runtime.embedded.program import Broken, Progress

PATIENCE_S = ((None, 8.0), (signal.SIGTERM, 3.0), (signal.SIGKILL, 3.0))
POLL_S = 0.05

_log = logging.getLogger(__name__)


async def end_leftovers(home: Home, progress: Progress) -> None:
    """Returns when no former child lives; raises Broken when one cannot be ended."""
    for stop_signal, patience_s in PATIENCE_S:
        former = home.former_children()
        if not former:
            return
        if stop_signal is None:
            progress(f"Waiting for what an earlier supervisor left behind to end: {_names(former)} ...")
        else:
            progress(f"Ending with {stop_signal.name} what did not end by itself: {_names(former)} ...")
            _log.warning("%s is sent to %s, left behind by an earlier supervisor", stop_signal.name, _names(former))
            _send(former, stop_signal)
        deadline = time.monotonic() + patience_s
        while home.former_children() and time.monotonic() < deadline:  # noqa: ASYNC110  # they are not our children
            await asyncio.sleep(POLL_S)
    if former := home.former_children():
        raise Broken(
            f"{_names(former)}, left behind by an earlier supervisor, cannot be ended: end it, then try again."
        )


def _send(former: dict[str, int], stop_signal: signal.Signals) -> None:
    """To the child that leads the group; the last signal goes to all of the group."""
    for pid in former.values():
        with contextlib.suppress(ProcessLookupError):
            if stop_signal == signal.SIGKILL and os.getpgid(pid) == pid:
                os.killpg(pid, stop_signal)
            else:
                os.kill(pid, stop_signal)


def _names(former: dict[str, int]) -> str:
    return ", ".join(f"{name} ({pid})" for name, pid in former.items())
