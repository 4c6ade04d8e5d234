"""A desk of its own process that stops itself, as a frozen machine does, between its intent and the sending."""

import os
import signal
import sys

from agents.settlement.connectors.ccxt_exchange import CcxtExchange
from agents.settlement.connectors.connector import Request, Verdict
from agents.settlement.desk.agent import DeskWorker
from runtime.journal.process import main


class Freezing(CcxtExchange):
    """Sends once it is let go on."""

    async def buy_from_exchange(self, request: Request) -> Verdict:
        os.kill(os.getpid(), signal.SIGSTOP)
        return await super().buy_from_exchange(request)


if __name__ == "__main__":
    sys.exit(main("desk", lambda settings: DeskWorker(settings, Freezing(settings), window_ms=int(sys.argv[1]))))
