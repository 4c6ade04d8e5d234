"""What goes wrong: deaths between two steps and at named points, zombies, freezes, damage, poison, repeats, odd clocks.

Every fault is drawn from the seed. It counts when it has struck, not when it was planned; then the supervisor fills the
place again, and the next one comes.
"""

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

from schemas.topics import COMMANDS
from tests.simulation.loop import Process

if TYPE_CHECKING:
    from tests.simulation.world import World

POINTS = {
    "matching": ("journal.at_assignment", "journal.after_consume", "journal.before_produce", "journal.after_outputs",
                 "journal.after_slots", "journal.after_manifest"),
    "marketdata": ("journal.at_assignment", "journal.after_consume", "journal.after_slots", "journal.after_manifest"),
    "settlement": ("journal.after_consume", "journal.before_produce", "journal.after_slots", "journal.after_manifest"),
    "wallet": ("journal.after_consume", "sink.before_apply", "sink.after_apply"),
    "desk": ("desk.after_intent", "desk.after_answer", "desk.after_tell"),
    "api": ("api.after_hold", "api.after_produce", "relay.after_claim"),
}  # fmt: skip
FAULTS = {
    "crash": 40, "crash at a point": 40, "zombie": 12, "freeze": 6, "damaged snapshot": 8, "poison": 5,
    "journal repeats": 6, "clock": 6, "everything dies": 3,
}  # fmt: skip
MORTALS = ("matching", "matching", "wallet", "wallet", "api", "marketdata", "settlement", "desk")
POISON = (
    b"not json", b'{"type":"place_order"}', b"\xff\xfe", b'{"type":"tick","market":"NOWHERE"}', b"",
    b'{"type":"cancel_all","market":"AAA-USD","command_id":9,"number":999999999999,"user_id":1}', b"NaN",
    b'{"type":"list_price","market":"AAA-USD","command_id":1,"number":1e400,"price_ticks":1}',
)  # fmt: skip
STRIKES_WITHIN_SECONDS = 1.0


class Nemesis:
    """Strikes until it has had its number of deaths."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.rng = world.rng
        self.counts: Counter[str] = Counter()
        self.crashes = 0
        self.is_done = False
        self._wanted = self.rng.randint(5, 8)
        self._struck: asyncio.Future[None] | None = None

    async def rage(self) -> None:
        while self.crashes < self._wanted:
            await asyncio.sleep(self.rng.expovariate(16.0))
            fault = self.rng.choices(list(FAULTS), list(FAULTS.values()))[0]
            await getattr(self, "_" + fault.replace(" ", "_"))()
        for name in self.world.roles:
            process = self.world.process(name)
            process.fuse = process.point = None
        self.world.broker.skew_ms = 0
        self.world.weather.calm()
        self.is_done = True
        self.world.note("all faults have healed")

    def died(self, process: Process) -> None:
        """The supervisor fills the place again, unless another has it already."""
        if process.fuse is not None or process.point is not None:
            self.crashes += 1
            self.counts[f"{process.name.rstrip('0123456789-')} killed {process.why}"] += 1
            if self._struck is not None and not self._struck.done():
                self._struck.set_result(None)
        for name in self.world.roles:
            if self.world.process(name) is process:
                self.world.loop.outside.spawn(self._restart(name))

    async def _restart(self, name: str) -> None:
        await asyncio.sleep(self.rng.random() * self.rng.choice([0.05, 1.0]))
        if not self.world.process(name).alive:
            self.world.roles[name]()

    def _victim(self, kinds: tuple[str, ...] = MORTALS) -> str:
        kind = self.rng.choice(kinds)
        return self.rng.choice([name for name in self.world.roles if name.startswith(kind)])

    # --- the faults ---

    async def _crash(self) -> None:
        name = self._victim()
        self.world.process(name).fuse = self.rng.randint(0, 40)
        await self._strike(name)

    async def _crash_at_a_point(self) -> None:
        name = self._victim()
        point = self.rng.choice(POINTS[name.rstrip("0123456789")])
        if point == "journal.at_assignment":
            self.world.process(name).fuse = self.rng.randint(0, 10)
            await self._strike(name)
            await self._back(name)
        if name == "desk":  # it passes its points seldom, so the trap stays
            self.world.process(name).point = (point, 1)
            return
        self.world.process(name).point = (point, self.rng.randint(1, 3))
        await self._strike(name)

    async def _everything_dies(self) -> None:
        for name in list(self.world.roles):
            process = self.world.process(name)
            process.fuse = self.rng.randint(0, 3)
        await self._strike(name)

    async def _strike(self, name: str) -> None:
        """Waits until it has died, or gives up waiting and disarms it."""
        process = self.world.process(name)
        if not process.alive:
            return
        self._struck = self.world.loop.create_future()
        await asyncio.wait([self._struck], timeout=STRIKES_WITHIN_SECONDS)
        process.fuse = process.point = None

    async def _back(self, name: str) -> None:
        while not self.world.process(name).alive:
            await asyncio.sleep(0.02)

    async def _zombie(self) -> None:
        """A worker freezes, another takes its place, and then the first one goes on where it was."""
        name = self._victim(("matching", "wallet", "marketdata", "settlement", "desk"))
        worker = self.world.workers[name]
        if not worker.process.alive:
            return
        worker.process.frozen = True
        self.world.note(f"{worker.process.name} is frozen")
        await asyncio.sleep(self.rng.random())
        self.world.roles[name]()
        await asyncio.sleep(self.rng.random() * 2)
        worker.process.frozen = False
        self.world.note(f"{worker.process.name} wakes up as a zombie")
        self.counts["zombie"] += 1
        await asyncio.sleep(self.rng.random() * self.rng.choice([0.02, 1.0]))
        if worker.process.alive:
            worker.process.spawn(worker.learn())

    async def _freeze(self) -> None:
        """Somebody stands still for a while, and nobody takes over."""
        process = self.world.process(self._victim())
        process.frozen = True
        self.counts["freeze"] += 1
        await asyncio.sleep(self.rng.random() * 3)
        process.frozen = False

    async def _damaged_snapshot(self) -> None:
        """An entry of a changelog is cut, bent or made old; its owner dies and has to read it."""
        name = self._victim(("matching", "matching", "marketdata", "settlement"))
        broker, changelog = self.world.broker, self.world.workers[name].group.changelog
        partition = self.rng.randrange(broker.partitions)
        log = broker.logs[changelog, partition]
        if not log:
            return
        for _ in range(self.rng.choice([1, 1, 2, 6])):
            record = self.rng.choice(log[-12:])
            value = bytearray(record.value or b"?")
            value[self.rng.randrange(len(value))] ^= 1 << self.rng.randrange(8)
            damaged = self.rng.choice([bytes(value), record.value[: len(value) // 2], record.value, b""])
            broker.append(changelog, partition, record.key, damaged)
        self.counts["damaged snapshot"] += 1
        self.world.process(name).fuse = 0
        await self._strike(name)

    async def _poison(self) -> None:
        partition = self.rng.randrange(self.world.broker.partitions)
        self.world.broker.append(COMMANDS.name, partition, b"AAA-USD", self.rng.choice(POISON))
        self.counts["poison"] += 1

    async def _journal_repeats(self) -> None:
        """A producer that was not told says its records again, perhaps long after."""
        partition = self.rng.randrange(self.world.broker.partitions)
        log = self.world.broker.logs[COMMANDS.name, partition]
        for record in self.rng.sample(log, min(len(log), self.rng.randint(1, 5))):
            self.world.broker.append(COMMANDS.name, partition, record.key, record.value)
        self.counts["journal repeats"] += 1

    async def _clock(self) -> None:
        self.world.broker.skew_ms = self.rng.choice([-3_600_000, 3_600_000, -500, 0])
        self.counts["clock"] += 1
