"""Under load, and while the market data agent, an API and Redis are killed: the client's book is the journal's.

Redis is one of its own here, so that it can be killed. Orders go through an instance that lives; the strict client
listens to one that is killed, too.
"""

import asyncio
import contextlib
import dataclasses
import itertools
import json
import random
import secrets
import shutil
import signal
import subprocess

import aiohttp
import pytest
import pytest_asyncio
from aiokafka import TopicPartition

from agents.matching.agent import PROGRAM, Book
from ledger.connection import books
from ledger.migrate import migrate
from runtime import kafka
from runtime.embedded.home import Home
from runtime.embedded.program import NotReady
from runtime.embedded.valkey import ValkeyServer
from runtime.journal.partition import Partition
from schemas import money
from schemas.topics import CHANGELOGS, COMMANDS, TOPICS, TRADES
from schemas.trades import decode_trade
from tests.api.sockets.watching import Hole, Picture, Watcher, Wrong

pytestmark = pytest.mark.asyncio(loop_scope="module")
SECRET = "a secret of the tests that is long enough for HS256"
USERS, ROUNDS, ORDERS_A_ROUND = 4, 6, 40
TRIED = 40
WITHIN_S = 120


class OwnRedis:
    """Killed without a warning, and started again: with what its disk has, or with nothing."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._server: ValkeyServer
        self._process: subprocess.Popen

    async def start(self) -> None:
        self._server = ValkeyServer(self._home, None)
        await self._server.prepare()
        self._process = self._run(self._server.command())
        while True:
            with contextlib.suppress(NotReady):
                return await self._server.probe()
            await asyncio.sleep(0.02)

    @staticmethod
    def _run(command):
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.Popen(command.argv, env=dict(command.env), cwd=command.cwd, **silent)

    def kill(self, *, forget: bool = False) -> None:
        self._process.kill()
        self._process.wait()
        if forget:
            shutil.rmtree(self._home.data / "valkey")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def own_redis(tmp_path_factory):
    home = Home(tmp_path_factory.mktemp("redis"))
    home.make()
    own = OwnRedis(home)
    await own.start()
    own.port, own.password = home.port("valkey"), home.secret("redis_password")
    try:
        yield own
    finally:
        own.kill()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def settings_of_door(servers, own_redis):
    """As elsewhere, but for Redis."""
    settings = dataclasses.replace(
        servers, namespace=f"t{secrets.token_hex(6)}", jwt_secret_key=SECRET, secret_key=SECRET,
        redis_host="127.0.0.1", redis_port=own_redis.port, redis_password=own_redis.password,
    )  # fmt: skip
    await migrate(settings)
    try:
        yield settings
    finally:
        async with books(settings) as connection:
            await connection.execute(f'drop schema "{settings.postgres_schema}" cascade')
        await kafka.delete_topics(settings, [settings.topic(topic.name) for topic in (*TOPICS, *CHANGELOGS)])


async def rich(client, market):
    user = await client.register(f"u{secrets.token_hex(6)}")
    for asset in ("USD", market.split("-")[0]):
        await user.patch("accounts/wallet/deposit/", {"amount": "1000000", "asset": asset})
    return user


async def trade(user, market, chance, count):
    """Orders around one price, some of them canceled: much rests, trades and leaves."""
    for _ in range(count):
        side, price = chance.choice(("buy", "sell")), f"{100 + chance.randint(-6, 6)}.{chance.randint(0, 9)}"
        body = {"market": market, "side": side, "amount": str(chance.randint(1, 9)), "price": price}
        order = await user.post("orders/?wait=none", body)
        if order.status in (201, 202) and chance.random() < 0.3:
            await user.delete(f"orders/{order.body['id']}/")


async def records(settings, topic):
    """All records of a topic, partition by partition in order."""
    name = settings.topic(topic.name)
    places = [TopicPartition(name, number) for number in range(settings.kafka_partitions)]
    found = {place: [] for place in places}
    async with kafka.running(kafka.consumer(settings, name="test")) as consumer:
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        for place in places:
            consumer.seek(place, 0)
        while any(len(found[place]) < ends[place] for place in places):
            for place, some in (await consumer.getmany(timeout_ms=500)).items():
                found[place] += some
    return found


async def replayed(settings, market):
    """The levels of the book that the commands in the journal lead to."""
    for place, commands in (await records(settings, COMMANDS)).items():
        partition = Partition(PROGRAM, place.partition)
        for _ in partition.run(commands):
            pass
        if market in partition.markets:
            machine = partition.markets[market].machine
            assert isinstance(machine, Book)
            return levels_of(machine.state.book)
    raise AssertionError(f"{market} is in no partition")


def levels_of(book):
    units, sums = money.market_units("0.01", "0.0001", 8, 8), ({}, {})
    for order in book.orders.values():
        side = sums[0 if order.side is book.bids else 1]
        side[order.price] = side.get(order.price, 0) + order.lots
    return tuple(
        [(units.price_text(price), units.lots_text(lots)) for price, lots in sorted(side.items(), reverse=number == 0)]
        for number, side in enumerate(sums)
    )


async def until(ask, agents, watching):
    """Waits; what ended is started again, and a client that found a fault ends the test at once."""
    deadline = asyncio.get_running_loop().time() + WITHIN_S
    while not await ask():
        if watching.done():
            watching.result()
        assert asyncio.get_running_loop().time() < deadline, agents.all_said()
        agents.revive()
        await asyncio.sleep(0.05)


async def torment(agents, own_redis, chance, kind, base):
    """One of them is killed, and comes back."""
    match kind:
        case "redis":
            own_redis.kill(forget=chance.random() < 0.5)
            await asyncio.sleep(chance.random())
            await own_redis.start()
        case module:
            agents.send(module, signal.SIGKILL)
            agents.running[module].wait()
            await asyncio.sleep(chance.random() / 2)
            agents.start(module, **({"TIDEMARK_PORT": base.rpartition(":")[2]} if module == "api" else {}))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def story(request):
    """What the one run of this file leaves for its tests."""
    return {}


async def test_the_clients_book_is_that_of_the_journal_whoever_is_killed(
    client, door, agents, own_redis, open_market, process_api, story
):
    chance, settings = random.Random(7), door.services.settings
    agents.start("agents.marketdata")
    users = [await rich(client, open_market) for _ in range(USERS)]
    async with process_api() as base:
        watcher = Watcher(lambda: base, open_market)
        watching = asyncio.create_task(watcher.watch())

        async def has_book():
            return watcher.picture.book is not None

        await until(has_book, agents, watching)
        for kind in itertools.islice(itertools.cycle(("agents.marketdata", "api", "redis")), ROUNDS):
            load = asyncio.gather(*(trade(user, open_market, chance, ORDERS_A_ROUND) for user in users))
            before = watcher.picture.book.seq
            await torment(agents, own_redis, chance, kind, base)
            await load

            async def goes_on(before=before):
                return watcher.picture.book.seq > before

            await until(goes_on, agents, watching)
        book = await settled(client, base, open_market, settings, agents, watching)
        executed = {record.offset for some in (await records(settings, TRADES)).values() for record in some}

        async def has_all():
            return watcher.picture.book.seq >= book["seq"] and len(watcher.picture.trades) >= len(executed)

        await until(has_all, agents, watching)
        watching.cancel()
    picture, journal = watcher.picture, await replayed(settings, open_market)
    rest = tuple([tuple(level) for level in book[side]] for side in ("bids", "asks"))
    assert (picture.book.seq, picture.levels()) == (book["seq"], rest)
    assert picture.levels() == journal
    told = {trade["trade_seq"]: (trade["price"], trade["amount"], trade["taker_side"]) for trade in picture.trades}
    assert told == await topic_trades(settings, open_market)
    assert watcher.connections >= ROUNDS // 3, "the API was killed under it"
    assert picture.deltas > 50
    story["frames"] = watcher.frames


async def settled(client, base, market, settings, agents, watching):
    """The book over HTTP, at both instances, once all commands are executed and nothing moves any more."""
    last = {}

    async def stands_still():
        if await undecided(settings):  # of an API that was killed; they are sent again after some seconds
            return False
        with contextlib.suppress(aiohttp.ClientError):
            answers = [await at.get(f"markets/{market}/orderbook/?depth=1000") for at in (client, client.at(base))]
            books_ = [answer.body for answer in answers if answer.status == 200]
            levels = await replayed(settings, market)
            if len(books_) == 2 and books_[0] == books_[1] and books_[0] == last.get("book"):
                return tuple([tuple(level) for level in books_[0][side]] for side in ("bids", "asks")) == levels
            last["book"] = books_[0] if books_ else None
        return False

    await until(stands_still, agents, watching)
    return last["book"]


async def undecided(settings):
    async with books(settings) as connection:
        return await connection.fetchval("select count(*) from commands where state = 'pending'")


async def topic_trades(settings, market):
    found = {}
    for some in (await records(settings, TRADES)).values():
        for record in some:
            one = decode_trade(record.value)
            if one.market == market:
                found[one.trade_seq] = (one.price, one.amount, one.taker_side)
    return found


async def test_one_delta_less_and_the_client_notices(story):
    """The same frames once more, each time without one of the deltas: by the numbers it always shows."""
    frames = [frame for frame in story["frames"] if frame.get("channel", "").startswith("orderbook:")]
    deltas = [index for index, frame in enumerate(frames) if frame["type"] == "delta"]
    play(frames)
    for dropped in deltas[:: max(1, len(deltas) // TRIED)]:
        follows = frames[dropped + 1 : dropped + 2]
        if follows and follows[0]["type"] == "delta":
            with pytest.raises(Hole):
                play(frames[:dropped] + frames[dropped + 1 :])


async def test_one_delta_less_shows_in_the_checksum_too(story):
    """Also to a client that looks at no numbers, when what was lost is not made good by the next delta at once."""
    frames = [frame for frame in story["frames"] if frame.get("channel", "").startswith("orderbook:")]
    losses = [
        index for index, (one, next_) in enumerate(itertools.pairwise(frames))
        if one["type"] == next_["type"] == "delta" and lost_for_good(one["data"], next_["data"])
    ]  # fmt: skip
    losses = losses[:: max(1, len(losses) // TRIED)]
    noticed = 0
    for dropped in losses:
        with contextlib.suppress(Wrong):
            play(frames[:dropped] + frames[dropped + 1 :], trusts_numbers=False)
            continue
        noticed += 1
    assert len(losses) > 10
    assert noticed > len(losses) // 2, "a level may be far from the best 25, or become again what it was"


def lost_for_good(delta, following):
    return {price for side in ("bids", "asks") for price, _ in delta[side]} - {
        price for side in ("bids", "asks") for price, _ in following[side]
    }


def play(frames, **picture):
    seen = Picture(**picture)
    for frame in json.loads(json.dumps(frames)):
        seen.take(frame)
