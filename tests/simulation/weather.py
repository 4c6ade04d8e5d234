"""How unwell the world is: the chances of every small fault, which the seed draws once and which calm in the end."""

import asyncio
import dataclasses
import random


@dataclasses.dataclass
class Weather:
    """Chances per event; 0 is a calm day."""

    rng: random.Random
    ack_lost: float = 0.0
    not_taken: float = 0.0
    database_refuses: float = 0.0
    commit_unknown: float = 0.0
    word_lost: float = 0.0
    run_lost: float = 0.0
    run_repeated: float = 0.0
    client_leaves: float = 0.0
    slow: float = 0.002

    @classmethod
    def drawn(cls, rng: random.Random) -> "Weather":
        def chance(most: float) -> float:
            return most * rng.random() if rng.random() < 0.7 else 0.0

        return cls(
            rng, ack_lost=chance(0.04), not_taken=chance(0.04), database_refuses=chance(0.05),
            commit_unknown=chance(0.05), word_lost=chance(0.5), run_lost=chance(0.2), run_repeated=chance(0.2),
            client_leaves=chance(0.1), slow=rng.choice([0.001, 0.005, 0.02, 0.1]),
        )  # fmt: skip

    def calm(self) -> None:
        """The last fault has healed."""
        for field in dataclasses.fields(self):
            if field.name not in ("rng", "slow"):
                setattr(self, field.name, 0.0)
        self.slow = 0.002

    def happens(self, chance: float) -> bool:
        return chance > 0 and self.rng.random() < chance

    async def pause(self) -> None:
        """Mostly no more than a step, seldom long: that is how things overtake each other."""
        draw = self.rng.random()
        await asyncio.sleep(0 if draw < 0.6 else draw * self.slow * (10 if draw > 0.96 else 1))
