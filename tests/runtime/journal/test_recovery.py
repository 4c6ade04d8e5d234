"""Workers that crash between any two writes, and workers that wake up late and write: what a restart finds is true."""

import random

import pytest

from runtime.journal.bench.tally import PROGRAM, command
from runtime.journal.checkpoint import Round, restore
from runtime.journal.partition import Outgoing, Partition
from tests.runtime.journal.records import Fake

MARKETS = ("M", "N", "IDLE")


def journal(chance: random.Random, length: int) -> list[Fake]:
    values = [command("open", market) for market in MARKETS]
    for _ in range(length):
        market, pick = chance.choice(MARKETS[:2]), chance.random()
        if pick < 0.1:
            values.append(b"not json")
        elif pick < 0.2:
            values.append(command("burst", market, 0, chance.choice((1, 700))))
        else:
            values.append(command(chance.choice(("add", "sell", "tick")), market, chance.randrange(5), 1))
    return [Fake(offset, value, chance.randrange(1000, 2000)) for offset, value in enumerate(values)]


class Worker:
    """What one process knows: its state and what it believes to be written."""

    def __init__(self, table: dict[bytes, bytes]) -> None:
        restored = restore(PROGRAM, 3, table)
        self.partition, self.written, self.number = restored.partition, restored.written, restored.next_round

    def work(self, records: list[Fake]) -> list[Outgoing]:
        return self.partition.run(records)

    def round(self, table: dict[bytes, bytes], steps: int) -> bool:
        """Writes the first entries of a round; whether it came to its end."""
        round_ = Round(self.number, "0.1.0", self.partition, self.written)
        self.number += 1
        entries = [*round_.pieces(), round_.manifest_entry()]
        table.update(entries[:steps])
        return steps >= len(entries)


def lives(seed: int, *, sleeping: float = 0.3) -> tuple[int, int]:
    """One journal through many lives; how many crashes fell inside a round, and how many writes came late."""
    chance = random.Random(seed)
    records = journal(chance, 150)
    truth = Partition(PROGRAM, 3).run(records)
    table: dict[bytes, bytes] = {}
    said: list[Outgoing] = []
    inside = late = whole = 0
    sleepers: list[Worker] = []
    for _ in range(12):
        worker = Worker(table)
        assert worker.partition.next_offset >= (0 if sleepers else whole), "a whole round was lost"
        for _ in range(chance.randrange(1, 6)):
            start = worker.partition.next_offset
            said += worker.work(records[start : start + chance.randrange(1, 30)])
            if sleepers and chance.random() < 0.3:
                chance.choice(sleepers).round(table, chance.randrange(1, 6))
                late += 1
            if not worker.round(table, chance.choice((0, 1, 2, 3, 9, 9, 9))):
                inside += 1
                break
            whole = worker.partition.next_offset
        if chance.random() < sleeping:
            sleepers.append(worker)
    last = Worker(table)
    said += last.work(records[last.partition.next_offset :])
    assert list(dict.fromkeys(said)) == truth
    return inside, late


@pytest.mark.parametrize("seed", range(20))
def test_whatever_crashes_and_whoever_wakes_up_late_the_outputs_are_those_of_one_long_life(seed):
    lives(seed)


@pytest.mark.parametrize("seed", range(20))
def test_without_late_writers_no_crash_costs_more_than_the_round_it_fell_into(seed):
    lives(seed, sleeping=0.0)


def test_the_lives_are_full_of_crashes_and_late_writes():
    told = [lives(seed) for seed in range(20)]
    assert sum(inside for inside, _ in told) > 50
    assert sum(late for _, late in told) > 50
