"""The outside exchange: it buys each closed batch once, wholly, partly, with a surplus or not at all.

It may say so twice, and sooner than the real desk would: fills come before the books know their batch.
"""

import asyncio

from schemas.batches import Closed, Failed, Fill, Filled, decode_batch_record, encode_fill
from schemas.commands import Tick, encode_command
from schemas.topics import BATCHES, COMMANDS, FILLS
from tests.simulation.broker import EPOCH_MS, Broker
from tests.simulation.clients import Units

LOOK_SECONDS = 0.2
DAY_MS = 25 * 60 * 60 * 1000


class Desk:
    """Everything outside that concerns purchases."""

    def __init__(self, broker: Broker, house: Units) -> None:
        self.said: dict[str, Fill] = {}
        self.waiting = 0
        self._broker = broker
        self._house = house
        self.positions = [0] * broker.partitions

    async def run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for partition, position in enumerate(self.positions):
                log = self._broker.logs[BATCHES.name, partition]
                self.positions[partition] = len(log)
                for record in log[position:]:
                    for event in decode_batch_record(record.value).events:
                        if isinstance(event, Closed) and event.batch_id not in self.said:
                            self.said[event.batch_id] = self._fill(event)
                            self.waiting += 1
                            self._broker.loop.outside.spawn(self._say(partition, event.batch_id))

    def _fill(self, batch: Closed) -> Fill:
        rng, market = self._broker.weather.rng, self._house.symbol
        asked = batch.lots * self._house.lot_atoms
        bought = rng.choices([asked, rng.randint(1, asked), asked + 7, 0], [70, 12, 10, 8])[0]
        if not bought:
            return Failed(market, batch.batch_id, "simulated", "it did not want to", EPOCH_MS)
        return Filled(
            market, batch.batch_id, "simulated", f"x-{batch.batch_id}", bought, self._house.quote, bought * 3, EPOCH_MS
        )

    async def _say(self, partition: int, batch_id: str) -> None:
        rng = self._broker.weather.rng
        for _ in range(rng.choice([1, 1, 2])):
            await asyncio.sleep(rng.random() * rng.choice([0.01, 2.0]))
            self._broker.append(FILLS.name, partition, self._house.symbol.encode(), encode_fill(self.said[batch_id]))
        self.waiting -= 1

    def let_a_day_pass(self, partition: int) -> None:
        """Whatever still waits in a window is too old now."""
        self._broker.skew_ms = DAY_MS
        tick = encode_command(Tick(market=self._house.symbol))
        self._broker.append(COMMANDS.name, partition, self._house.symbol.encode(), tick)
