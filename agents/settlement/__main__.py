"""`python -m agents.settlement`: one windower; run as many as there are partitions."""

import sys

from agents.settlement.agent import SettlementWorker
from runtime.journal.process import main

if __name__ == "__main__":
    sys.exit(main("settlement", SettlementWorker))
