"""A windower with terms of its own: a window is too old after two seconds, and then what the first argument says."""

import sys

from agents.settlement.agent import SettlementWorker
from agents.settlement.terms import RULES_VERSION, WindowTerms
from runtime.journal.process import main

WHEN = {"top_up": WindowTerms(max_age_ms=2_000), "dissolve": WindowTerms(max_age_ms=2_000, when_too_old="dissolve")}

if __name__ == "__main__":
    versions = {RULES_VERSION: WHEN[sys.argv[1]]}
    sys.exit(main("settlement", lambda settings: SettlementWorker(settings, versions)))
