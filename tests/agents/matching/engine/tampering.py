"""Planted faults: the engine's own sources with one place changed, imported under another name. No product file knows.

A fault that no longer finds its place fails its test: then the place has moved, and the fault must move along.
"""

import contextlib
import dataclasses
import importlib
import sys
from pathlib import Path

ENGINE = Path(__file__).parents[4] / "agents/matching/engine"
PACKAGE = "agents.matching.engine"


@dataclasses.dataclass(frozen=True)
class Mutant:
    name: str
    file: str
    good: str
    bad: str


FEE = "{0}_gets * terms.{0}_fee_bps // WHOLE_BPS"
MUTANTS = [
    Mutant("last_come_first_served_at_a_price", "taking.py", "maker = level.first", "maker = level.last"),
    Mutant("self_trade_rule_skipped", "taking.py", "if maker.user_id == user_id:", "if False:"),
    Mutant("trade_through_a_better_price", "taking.py", "level := against.best)", "level := _second(against))"),
    Mutant("fill_or_kill_fills_partly", "taking.py", "    return not wanted", "    return wanted < taker.lots"),
    Mutant("taker_fee_off_by_one", "placing.py", FEE.format("taker"), "-(-taker_gets * terms.taker_fee_bps // 10_000)"),
    Mutant("maker_fee_off_by_one", "placing.py", FEE.format("maker"), FEE.format("maker") + " + 1"),
    Mutant("improvement_kept", "placing.py", "(limit - price) * lots * quote_each if improves", "0 if improves"),
    Mutant("crumbs_of_a_sum_kept", "placing.py", " + command.quote_atoms % each", ""),
    Mutant(
        "reduced_order_loses_its_place", "leaving.py", "state.book.shrink(order, cut)",
        "order = _anew(state.book, order, cut)",
    ),
    Mutant("repeat_applied_twice", "window.py", "elif bits[index] & bit:", "elif False:"),
    Mutant("window_one_too_long", "window.py", "if number <= highest - SPAN:", "if number < highest - SPAN:"),
    Mutant("old_numbers_never_cleared", "window.py", "self._write(highest + 1, number, 0)", "pass"),
    Mutant("post_only_takes", "order_types.py", "None if taker is None else Reject.WOULD_TAKE", "None"),
    Mutant("snapshot_forgets_the_filled_part", "snapshot.py", "order.lots, order.total)", "order.lots, order.lots)"),
    Mutant("cheaper_house_keeps_the_difference", "house.py", "command.hold.atoms - paid", "0"),
]  # fmt: skip


@contextlib.contextmanager
def mutated(mutant, folder):
    """The class `Market` of an engine with this fault in it."""
    name = f"tampered_{mutant.name}"
    package = folder / name
    package.mkdir()
    for source in ENGINE.glob("*.py"):
        text = source.read_text()
        if source.name == mutant.file:
            assert text.count(mutant.good) == 1, f"{mutant.good!r} is not once in {mutant.file}"
            text = text.replace(mutant.good, mutant.bad) + _SECOND
        (package / source.name).write_text(text.replace(PACKAGE, name))
    sys.path.insert(0, str(folder))
    try:
        yield importlib.import_module(name).Market
    finally:
        sys.path.remove(str(folder))
        for module in [module for module in sys.modules if module.split(".")[0] == name]:
            del sys.modules[module]


_SECOND = """

def _second(side):
    return side.best.worse or side.best if side.best else None


def _anew(book, order, cut):
    book.remove(order)
    return book.rest(order.side, order.price, order.order_id, order.user_id, order.lots - cut, order.total)
"""
