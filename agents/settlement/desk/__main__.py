"""`python -m agents.settlement.desk`: buys at the sandbox' exchange, or at one that EXCHANGE_URL names."""

import os
import sys

from agents.settlement.connectors.simulated import SimulatedConnector
from agents.settlement.desk.agent import Desk
from runtime.embedded.home import LOOPBACK, Home
from runtime.journal.process import main
from runtime.settings import Settings

URL = "EXCHANGE_URL"


def build(settings: Settings) -> Desk:
    url = os.environ.get(URL) or f"http://{LOOPBACK}:{Home(settings.home).port('exchange')}"
    return Desk(settings, SimulatedConnector(url))


if __name__ == "__main__":
    sys.exit(main("desk", build))
