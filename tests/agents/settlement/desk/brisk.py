"""The desk as it is, but that its intents expire after five seconds, so that a test of deaths need not wait long."""

import sys

from agents.settlement.desk.__main__ import connector
from agents.settlement.desk.agent import DeskWorker
from runtime.journal.process import main

if __name__ == "__main__":
    sys.exit(main("desk", lambda settings: DeskWorker(settings, connector(settings), window_ms=5_000)))
