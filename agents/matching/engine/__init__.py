"""The matching engine: one market as a deterministic program. Read `market.py`, then `placing.py` and `book.py`."""

from agents.matching.engine.market import Market
from agents.matching.engine.snapshot import UnreadableSnapshotError
from agents.matching.engine.terms import UnknownRulesError

__all__ = ["Market", "UnknownRulesError", "UnreadableSnapshotError"]
