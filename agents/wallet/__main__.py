"""`python -m agents.wallet`: one wallet worker; run as many as there are partitions."""

import sys

from agents.wallet.agent import WalletWorker
from runtime.journal.process import main

if __name__ == "__main__":
    sys.exit(main("wallet", WalletWorker))
