"""How a process of the journal ends when going on would be wrong: at once, with one sentence, and nothing flushed.

Crash only: what was sent stays sent, what was not is re-executed by the next start, which is the usual start.
"""

import logging
import os
import sys
from typing import NoReturn

EXIT_CODE = 70
log = logging.getLogger(__name__)


def halt(reason: str, error: BaseException | None = None) -> NoReturn:
    """Says why, and is gone. The supervisor starts the process again, with a growing pause."""
    log.critical("HALT: %s", reason, exc_info=error)
    for handler in logging.getLogger().handlers:
        handler.flush()
    sys.stderr.flush()
    os._exit(EXIT_CODE)
