"""How a process of the journal ends when going on would be wrong: at once, with one sentence, and nothing flushed.

Crash only: what was sent stays sent, what was not is re-executed by the next start, which is the usual start.
"""

import asyncio
import logging
import os
import sys
from collections.abc import Coroutine
from typing import Any, NoReturn

EXIT_CODE = 70
log = logging.getLogger(__name__)


def halt(reason: str, error: BaseException | None = None) -> NoReturn:
    """Says why, and is gone. The supervisor starts the process again, with a growing pause."""
    log.critical("HALT: %s", reason, exc_info=error)
    for handler in logging.getLogger().handlers:
        handler.flush()
    sys.stderr.flush()
    os._exit(EXIT_CODE)


def beside(work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
    """Work that goes on next to the lanes until it is cancelled. Without it the process would be half dead and look
    well, so its failure is a halt."""
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_ended)
    return task


def _ended(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        halt(f"{task.get_name()} failed: {error!r}", error)
