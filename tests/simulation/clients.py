"""People who trade: they ask, wait, lose patience, ask again with the same key, and remember what they were told."""

import asyncio
import dataclasses
import random
from collections.abc import Callable
from typing import Any

from ledger.hold_rules import NewOrder
from ledger.transfer_rules import TransferRequest
from tests.simulation.door import UNKNOWN, Answer, Door
from tests.simulation.loop import Loop
from tests.simulation.weather import Weather

LOWEST, PRICES, MOST_LOTS = 95, 12, 9
PATIENCE_SECONDS = 6.0
VERBS = {
    "limit": 46, "market": 8, "purchase": 4, "cancel": 14, "reduce": 6, "cancel_all": 6, "deposit": 5, "withdraw": 5,
    "again": 5, "conflict": 2, "too_much": 2,
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Units:
    """What a client must know of a market to say what an order holds."""

    symbol: str
    base: str
    quote: str
    lot_atoms: int
    tick_lot_atoms: int


@dataclasses.dataclass
class Said:
    """One request, and the definite answer to it; None while it is not known."""

    verb: str
    request: Any
    answer: Answer | None = None
    unknown: int = 0


class Client:
    """One user."""

    def __init__(
        self, loop: Loop, weather: Weather, user_id: int, markets: list[Units], doors: Callable[[], list[Door]]
    ) -> None:
        self.user_id = user_id
        self.said: list[Said] = []
        self.is_busy = True
        self.witness: Callable[[str, Answer], None] = lambda verb, answer: None
        self._loop = loop
        self._weather = weather
        self._random = random.Random(weather.rng.random())
        self._markets = markets
        self._doors = doors
        self._keys = 0

    async def trade(self, count: int, more: Callable[[], bool]) -> None:
        """So many requests, and on as long as there is more to happen."""
        done = 0
        while done < count or more():
            await asyncio.sleep(self._random.expovariate(3.0))
            verb = self._random.choices(list(VERBS), list(VERBS.values()))[0]
            await getattr(self, f"_{verb}")()
            done += 1
        self.is_busy = False

    async def ask(self, verb: str, *arguments: Any, request: Any = None) -> Answer:
        """Until the answer is definite; the same request every time."""
        said = Said(verb, request if request is not None else arguments)
        self.said.append(said)
        while True:
            answer = await self._once(verb, arguments)
            if answer.kind != "unknown":
                said.answer = answer
                self.witness(verb, answer)
                return answer
            said.unknown += 1
            await asyncio.sleep(self._random.random())

    async def _once(self, verb: str, arguments: tuple[Any, ...]) -> Answer:
        doors = self._doors()
        if not doors:
            return UNKNOWN
        future = self._random.choice(doors).ask(verb, *arguments)
        patience = self._random.random() if self._weather.happens(self._weather.client_leaves) else PATIENCE_SECONDS
        await asyncio.wait([future], timeout=patience)
        return future.result() if future.done() else UNKNOWN

    # --- what they ask for ---

    def _key(self) -> str:
        self._keys += 1
        return f"{self.user_id}-{self._keys}"

    def _new(self, market: Units, side: str, kind: str, lots: int | None, price: int, **more: Any) -> NewOrder:
        budget = more.get("quote_atoms")
        buys = side == "buy"
        atoms = (budget or (lots or 0) * price * market.tick_lot_atoms) if buys else (lots or 0) * market.lot_atoms
        key = self._key()
        return NewOrder(
            user_id=self.user_id, market=market.symbol, kind=kind, side=side, lots=lots, price_ticks=price,
            hold_asset=market.quote if buys else market.base, hold_atoms=atoms, key=key, digest=f"body of {key}",
            **more,
        )  # fmt: skip

    async def _place(self, new: NewOrder) -> None:
        await self.ask("place", new, request=new)

    async def _limit(self) -> None:
        rng = self._random
        force = rng.choices(["gtc", "ioc", "fok"], [85, 9, 6])[0]
        new = self._new(
            rng.choice(self._markets), rng.choice(["buy", "sell"]), "limit", rng.randint(1, MOST_LOTS),
            LOWEST + rng.randrange(PRICES), time_in_force=force, post_only=force == "gtc" and rng.random() < 0.1,
            self_trade=rng.choice(["expire_taker", "expire_maker", "expire_both"]),
        )  # fmt: skip
        await self._place(new)

    async def _market(self) -> None:
        rng = self._random
        market, side = rng.choice(self._markets), rng.choice(["buy", "sell"])
        more: dict[str, Any] = {"time_in_force": rng.choice(["gtc", "ioc"]), "self_trade": "expire_taker"}
        lots: int | None = rng.randint(1, MOST_LOTS)
        if side == "buy" and rng.random() < 0.5:
            lots, more["quote_atoms"] = None, rng.randint(1, MOST_LOTS * (LOWEST + PRICES) * market.tick_lot_atoms)
        price = LOWEST + PRICES + 3 if side == "buy" else LOWEST - 3
        await self._place(self._new(market, side, "market", lots, price, **more))

    async def _purchase(self) -> None:
        rng = self._random
        price = LOWEST + PRICES // 2 + rng.randint(-1, 2)
        await self._place(self._new(self._markets[0], "buy", "purchase", rng.randint(1, MOST_LOTS), price))

    def _placed(self, verb: str = "place") -> list[Said]:
        return [one for one in self.said if one.verb == verb and one.answer and one.answer.kind in ("done", "accepted")]

    async def _cancel(self) -> None:
        if placed := [one for one in self._placed() if one.request.kind != "purchase"]:
            await self.ask("cancel", self._random.choice(placed[-6:]).answer.order_id, self.user_id)

    async def _reduce(self) -> None:
        if placed := [one for one in self._placed() if one.request.lots and one.request.kind == "limit"]:
            chosen = self._random.choice(placed[-6:])
            lots = self._random.randint(1, chosen.request.lots)
            await self.ask("reduce", chosen.answer.order_id, self.user_id, lots)

    async def _cancel_all(self) -> None:
        await self.ask("cancel_all", self._random.choice(self._markets).symbol, self.user_id)

    async def _again(self) -> None:
        """An old request once more."""
        if known := [one for one in self.said if one.verb in ("place", "transfer") and one.answer]:
            chosen = self._random.choice(known)
            await self.ask(chosen.verb, chosen.request, request=chosen.request)

    async def _conflict(self) -> None:
        """An old key for something else."""
        if placed := self._placed():
            old = self._random.choice(placed).request
            new = dataclasses.replace(old, digest="another body")
            await self.ask("place", new, request=new)

    async def _too_much(self) -> None:
        market = self._random.choice(self._markets)
        await self._place(
            self._new(market, "buy", "limit", 10**9, LOWEST, time_in_force="gtc", self_trade="expire_taker")
        )

    async def deposit(self, asset: str, atoms: int) -> None:
        key = self._key()
        request = TransferRequest(
            kind="deposit", user_id=self.user_id, asset=asset, amount_atoms=atoms, requested_by=self.user_id,
            key=key, digest=f"body of {key}",
        )  # fmt: skip
        await self.ask("transfer", request, request=request)

    async def _deposit(self) -> None:
        market = self._random.choice(self._markets)
        await self.deposit(self._random.choice([market.base, market.quote]), self._random.randint(1, 50_000))

    async def _withdraw(self) -> None:
        market, key = self._random.choice(self._markets), self._key()
        request = TransferRequest(
            kind="withdrawal", user_id=self.user_id, asset=self._random.choice([market.base, market.quote]),
            amount_atoms=self._random.randint(1, 20_000), requested_by=self.user_id, key=key, digest=f"body of {key}",
        )  # fmt: skip
        await self.ask("transfer", request, request=request)
