"""Proves the books again and again beside the work, for at most a hundredth of the time, and shows what it found.

Any number of processes may do this: one at a time does. What is wrong is an alarm; nothing is stopped or mended.
"""

import asyncio
import logging
import time

import asyncpg

from ledger.connection import books
from ledger.queries import query
from ledger.reconcile import INVARIANTS, Report, reconcile
from runtime.embedded.program import Broken
from runtime.settings import Settings
from runtime.telemetry import metrics

FIRST_S = 15.0
SHARE = 100
"""After a proof that took a second, nothing is proved for so many."""
AWAY: tuple[type[Exception], ...] = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError, Broken)
log = logging.getLogger(__name__)


async def prove_for_ever(settings: Settings) -> None:
    """The first proof comes soon: a start has other things to do, but who starts again and again is proved as well."""
    task = asyncio.current_task()
    assert task is not None
    task.add_done_callback(_ended)
    pause_s = min(FIRST_S, settings.prove_every_s)
    while settings.prove_every_s:
        await asyncio.sleep(pause_s)
        try:
            pause_s = max(settings.prove_every_s, SHARE * await prove(settings))
        except AWAY as error:
            log.warning("the books could not be proved: %r", error)


def _ended(task: "asyncio.Task[None]") -> None:
    """A fault of the proof stops proving, not settling; but not in silence."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("ALARM: the books are not proved any more: %r", error, exc_info=error)


async def prove(settings: Settings) -> float:
    """Once, unless another process is at it; the seconds that it took."""
    began = time.perf_counter()
    async with books(settings) as connection:
        if not await connection.fetchval(query("proving.claim")):
            return 0.0
        report = await reconcile(connection)
    seconds = time.perf_counter() - began
    _show(report, seconds)
    return seconds


def _show(report: Report, seconds: float) -> None:
    for invariant in INVARIANTS:
        wrong = sum(difference.invariant == invariant for difference in report.differences)
        metrics.RECONCILE_DIFFERENCES.labels(invariant).set(wrong)
    metrics.RECONCILE_SECONDS.set(seconds)
    metrics.RECONCILE_TIME.set_to_current_time()
    if report.differences:
        log.error("ALARM: the books have %d differences, first: %s", len(report.differences), report.differences[0])
