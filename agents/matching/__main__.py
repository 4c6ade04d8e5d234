"""`python -m agents.matching`: one matching worker; run as many as there are partitions."""

import sys

from agents.matching.agent import PROGRAM
from runtime.journal.process import main, membership
from runtime.journal.worker import MachineWorker

if __name__ == "__main__":
    sys.exit(main("matching", lambda settings: MachineWorker(settings, PROGRAM, membership=membership(settings))))
