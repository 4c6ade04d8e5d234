"""`python -m agents.marketdata`: one marketdata worker; run as many as there are partitions."""

import sys

from agents.marketdata.agent import MarketdataWorker
from runtime.journal.process import main

if __name__ == "__main__":
    sys.exit(main("marketdata", MarketdataWorker))
