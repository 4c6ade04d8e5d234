"""`python -m agents.settlement.desk`: buys at the exchange that EXCHANGE names, by default the sandbox' own."""

import sys

from agents.settlement.connectors.ccxt_exchange import CcxtExchange
from agents.settlement.connectors.connector import Connector
from agents.settlement.connectors.simulated import SimulatedExchange
from agents.settlement.desk.agent import DeskWorker
from runtime.embedded.home import LOOPBACK, Home
from runtime.journal.process import main
from runtime.settings import Settings


def connector(settings: Settings) -> Connector:
    """A venue that could be made to buy twice is refused here, with a SettingsError."""
    if settings.exchange != SimulatedExchange.name:
        return CcxtExchange(settings)
    return SimulatedExchange(settings.exchange_url or f"http://{LOOPBACK}:{Home(settings.home).port('exchange')}")


if __name__ == "__main__":
    sys.exit(main("desk", lambda settings: DeskWorker(settings, connector(settings))))
