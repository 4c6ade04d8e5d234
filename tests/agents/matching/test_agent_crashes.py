"""The matching agent, with the real engine, killed on the real broker."""

import random
import signal
import time

from schemas.commands import CancelOrder, Hold, OpenMarket, PlaceOrder, Tick, encode_command
from tests.runtime.journal.lab import MARKETS, Lab, Play

POINTS = ("journal.after_consume:20", "journal.before_produce:20", "journal.after_slots:2", "journal.after_manifest:3")


def opening(market: str) -> bytes:
    return encode_command(
        OpenMarket(
            market=market,
            command_id=1,
            number=1,
            base="BTC",
            quote="USD",
            base_scale=8,
            quote_scale=8,
            tick_size="0.01",
            lot_size="0.0001",
            maker_fee_bps=5,
            taker_fee_bps=10,
        )
    )


def mixed(number: int, market: str) -> bytes:
    """Orders that rest, orders that trade, cancels, ticks, and commands that were sent before."""
    chance = random.Random(number)
    own = number // MARKETS + 2
    own -= chance.random() < 0.02  # the relay sends some of them again
    if number % 60 == 59:
        return encode_command(Tick(market=market))
    names = {"market": market, "command_id": own, "number": own, "user_id": chance.randrange(1, 50)}
    if chance.random() < 0.2:
        return encode_command(CancelOrder(**{**names, "order_id": max(1, own - chance.randrange(1, 40))}))
    side, lots, ticks = chance.choice(("buy", "sell")), chance.randrange(1, 20), 100_000 + chance.randrange(-30, 30)
    hold = Hold("USD", lots * ticks * 100) if side == "buy" else Hold("BTC", lots * 10_000)
    words = {"side": side, "kind": "limit", "lots": lots, "price_ticks": ticks, "hold": hold}
    return encode_command(PlaceOrder(order_id=own, **names, **words))


MATCHING = Play("agents.matching", "agents.matching.agent", opening, mixed)


async def test_the_matching_agent_killed_again_and_again_tells_one_history(space, tmp_path):
    async with Lab(space, tmp_path, MATCHING) as lab:
        async with lab.loading(2000):
            for point in POINTS:
                victim = lab.worker(crash_at=point)
                assert await victim.gone() == -signal.SIGKILL, victim.said()[-3000:]
                assert victim.trace.read_text().split(" ")[0] == point
                assert await lab.left_by(victim) > 0
            victim = lab.worker()
            await lab.more_outcomes(1500)
            await lab.catch(victim)
            moment = time.time()
            victim.signal(signal.SIGKILL)
            await victim.gone()
            assert await lab.in_flight(moment) > 0
        lab.worker()
        await lab.drained()
        await lab.check()
        assert sum((await lab.ends("trades")).values()) > 1000
