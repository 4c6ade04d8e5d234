"""`tidemark bench matching`: the rows of the table, what each is to be compared with, and what it is meant to reach."""

from collections.abc import Callable

from agents.matching.bench.parts import COMMANDS, LARGE, Large, Parts
from agents.matching.bench.recovery import measure_recovery
from runtime.bench import Bench, Measuring

UNIT = "commands/s"
MACHINE, BOOK, RULES = "objects made and dropped, bare", "the book alone", "with all rules, events built"
EVENTS, RECORDS, DECODED = "and events encoded", "and records encoded", "and commands decoded"


async def measure(measuring: Measuring) -> None:
    """The engine alone first, because it needs a machine that does nothing else."""
    _parts(measuring, Parts())
    _large(measuring, Large())
    await measure_recovery(measuring)


def _parts(measuring: Measuring, parts: Parts) -> None:
    """The rows take turns, so that each has its share of whatever disturbs the machine."""
    table: tuple[tuple[str, Callable[[], float], str | None, float | None], ...] = (
        (MACHINE, parts.machine, None, None),
        (BOOK, parts.bare, MACHINE, 1_000_000),
        (RULES, parts.with_rules, BOOK, None),
        (EVENTS, parts.with_events, RULES, 300_000),
        (RECORDS, parts.with_records, EVENTS, None),
        (DECODED, parts.with_commands, RECORDS, None),
        ("and trades, sequences, chains: the pattern", parts.with_journal, DECODED, None),
        ("events encoded, nothing else", parts.encoding, None, None),
        ("commands decoded, nothing else", parts.decoding, None, None),
        ("records sealed into a chain, nothing else", parts.sealing, None, None),
    )
    turns = [[COMMANDS / seconds() for _, seconds, _, _ in table] for _ in range(measuring.repeats)]
    for (name, _, anchor, floor), values in zip(table, zip(*turns, strict=True), strict=True):
        measuring.add(name, "objects/s" if name == MACHINE else UNIT, values, anchor=anchor, floor=floor)
    measuring.add("orders at rest in the end", "orders", [parts.orders])
    measuring.add("prices in the end", "levels", [parts.levels])


def _large(measuring: Measuring, large: Large) -> None:
    """What a round holds the market up for, and what a start waits for."""
    repeats = range(measuring.repeats)
    measuring.add(f"first snapshot of {LARGE:,} orders", "ms", [1000 * large.first])
    measuring.add("and after each round of commands", "ms", [1000 * large.again() for _ in repeats], floor=20)
    measuring.add("restored from it", "ms", [1000 * large.restored() for _ in repeats])


BENCH = Bench("matching", "the engine part by part, a large book kept, a long journal recovered", measure)
