"""The channels through the whole exchange: books, trades, tickers and candles, and what is one's own."""

import asyncio
import secrets
import signal

import pytest
import pytest_asyncio

from agents.marketdata.view import RECENT_TRADES
from tests.api.sockets.watching import Picture

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def rich(client, market):
    user = await client.register(f"u{secrets.token_hex(6)}")
    for asset in ("USD", market.split("-")[0]):
        await user.patch("accounts/wallet/deposit/", {"amount": "100000", "asset": asset})
    return user


async def place(user, market, side, amount, price):
    """A settled order, also on a machine that has much else to do."""
    answer = await user.post("orders/", {"market": market, "side": side, "amount": amount, "price": price})
    while answer.body["state"] == "pending":
        await asyncio.sleep(0.05)
        answer = await user.get(f"orders/{answer.body['id']}/")
    assert answer.status in (200, 201), answer
    return answer.body


@pytest_asyncio.fixture(loop_scope="module")
async def shown(open_market, market_data, client, until):
    """A market whose book is shown."""

    async def is_shown():
        return (await client.get(f"markets/{open_market}/orderbook/")).status == 200

    await until(is_shown)
    return open_market


async def test_a_book_is_a_snapshot_and_then_what_changes(client, shown, socket):
    user = await rich(client, shown)
    await place(user, shown, "buy", "2", "99")
    await socket.subscribe(f"orderbook:{shown}")
    picture = Picture()
    picture.take(await socket.next())
    assert picture.levels() in (([("99.00", "2")], []), ([], []))
    order = await place(user, shown, "sell", "1.5", "101")
    while picture.book.seq < order["seq"]:
        picture.take(await socket.next())
    assert picture.levels() == ([("99.00", "2")], [("101.00", "1.5")])
    book = (await client.get(f"markets/{shown}/orderbook/?min_seq={order['seq']}")).body
    assert (book["seq"], book["bids"], book["asks"]) == (picture.book.seq, [["99.00", "2"]], [["101.00", "1.5"]])


async def test_a_trade_is_told_with_its_number_and_nobodys_name(client, shown, socket):
    user, other = await rich(client, shown), await rich(client, shown)
    await socket.subscribe(f"trades:{shown}", f"ticker:{shown}", f"candles:{shown}:1d")
    await place(user, shown, "sell", "2", "50")
    for _ in range(2):
        await place(other, shown, "buy", "1", "50")
    told = [await socket.data(f"trades:{shown}", "event") for _ in range(2)]
    listed = (await client.get(f"markets/{shown}/trades/")).body["results"]
    assert [trade["trade_seq"] for trade in told] == [told[0]["trade_seq"], told[0]["trade_seq"] + 1]
    assert [{name: trade[name] for name in listed[0]} for trade in reversed(told)] == listed
    assert set(told[0]) - set(listed[0]) == {"trade_seq", "seq"}


async def test_a_ticker_and_a_candle_follow_the_trades(client, shown, socket):
    user, other = await rich(client, shown), await rich(client, shown)
    await socket.subscribe(f"ticker:{shown}", f"candles:{shown}:1d")
    await place(user, shown, "sell", "2", "50")
    await place(other, shown, "buy", "2", "50")
    wanted = {f"ticker:{shown}": ("volume", "2"), f"candles:{shown}:1d": ("volume", "2")}
    while wanted:
        frame = await socket.next()
        field, value = wanted.get(frame["channel"], ("", None))
        if frame["data"].get(field) == value:
            del wanted[frame["channel"]]


async def test_who_comes_late_gets_the_ticker_and_candle_of_now(client, shown, socket, connect):
    user, other = await rich(client, shown), await rich(client, shown)
    await socket.subscribe(f"ticker:{shown}", f"candles:{shown}:1d")
    await place(user, shown, "sell", "1", "50")
    await place(other, shown, "buy", "1", "50")
    seen = {}
    while seen.get(f"ticker:{shown}", {}).get("last") != "50.00" or f"candles:{shown}:1d" not in seen:
        frame = await socket.next()
        seen[frame["channel"]] = frame["data"]
    async with connect(client) as late:
        await late.subscribe(f"ticker:{shown}", f"candles:{shown}:1d")
        frames = [await late.next(), await late.next()]
    assert [(frame["channel"], frame["type"]) for frame in frames] == [
        (f"ticker:{shown}", "snapshot"), (f"candles:{shown}:1d", "snapshot"),
    ]  # fmt: skip


async def latest(socket, order_id, state, held):
    """The order and the wallet as they were told last, once both are as they should be; either may be told first."""
    seen = {}
    while (seen.get(order_id), seen.get("held")) != (state, held):
        frame = await socket.next()
        if frame["channel"] == "orders":
            seen |= {frame["data"]["id"]: frame["data"]["state"], "order": frame["data"]}
        else:
            seen |= {"held": frame["data"]["held"], "wallet": frame["data"]}
    return seen["order"], seen["wallet"]


async def test_orders_and_wallet_are_told_after_the_money_has_moved(client, shown, connect):
    user, other = await rich(client, shown), await rich(client, shown)
    base = shown.split("-")[0]
    async with connect(client) as socket:
        await socket.authenticate(user.token)
        await socket.subscribe("orders", "wallet")
        order = await place(user, shown, "buy", "2", "100")
        told, _ = await latest(socket, order["id"], "open", "200.00")
        assert told == order
        await place(other, shown, "sell", "0.5", "100")
        told, wallet = await latest(socket, order["id"], "partially_filled", "150.00")
        assert told == (await user.get(f"orders/{order['id']}/")).body
        assert wallet == (await user.get("accounts/wallet/")).body
        assert {row["asset"]: row["available"] for row in wallet["assets"]}[base] == "100000.5"
        await user.delete(f"orders/{order['id']}/")
        await latest(socket, order["id"], "canceled", "0.00")


async def test_nobody_sees_what_is_anothers(client, shown, connect):
    user, stranger = await rich(client, shown), await rich(client, shown)
    async with connect(client) as socket:
        await socket.authenticate(stranger.token)
        await socket.subscribe("orders", "wallet")
        await place(user, shown, "buy", "1", "10")
        await stranger.patch("accounts/wallet/deposit/", {"amount": "1"})
        frame = await socket.next()
        assert (frame["channel"], frame["data"]["balance"]) == ("wallet", "100001.00")


async def test_another_instance_tells_the_same(client, shown, second_door, connect):
    user, other = await rich(client, shown), await rich(client, shown)
    there = user.at(second_door.client.base)
    async with connect(client) as here, connect(there) as elsewhere:
        for socket in (here, elsewhere):
            await socket.authenticate(user.token)
            await socket.subscribe("orders", "wallet", f"trades:{shown}")
        order = await place(there, shown, "buy", "1", "20")
        for socket in (here, elsewhere):
            told = await socket.until(lambda frame: frame["channel"] == "orders" and frame["data"]["state"] == "open")
            assert told["data"]["id"] == order["id"]
        await place(other, shown, "sell", "1", "20")
        trades = [await socket.data(f"trades:{shown}") for socket in (here, elsewhere)]
        assert trades[0] == trades[1]
        await user.patch("accounts/wallet/deposit/", {"amount": "3"})
        balance = (await user.get("accounts/wallet/")).body["balance"]
        for socket in (here, elsewhere):
            await socket.until(lambda frame: frame["channel"] == "wallet" and frame["data"]["balance"] == balance)


async def test_who_comes_back_goes_on_where_he_was(client, shown, connect):
    user, other = await rich(client, shown), await rich(client, shown)
    book, trades = f"orderbook:{shown}", f"trades:{shown}"
    async with connect(client) as socket:
        await socket.subscribe(book, trades)
        seq = (await socket.data(book, "snapshot"))["seq"]
    await place(user, shown, "sell", "5", "70")
    numbers = []
    for _ in range(3):
        order = await place(other, shown, "buy", "1", "70")
        numbers += [int(fill["trade_id"].rpartition("-")[2]) for fill in order["fills"]]
    await client.get(f"markets/{shown}/orderbook/?min_seq={order['seq']}")
    async with connect(client) as again:
        await again.subscribe(book, trades, since_seq={book: seq, trades: numbers[0]})
        told = [(await again.data(trades))["trade_seq"] for _ in numbers[1:]]
        assert told == numbers[1:]
    async with connect(client) as again:
        await again.subscribe(book, since_seq={book: seq})
        first = await again.next()
        assert (first["type"], first["data"]["first_seq"]) == ("delta", seq + 1), "no snapshot, and no hole"


async def test_a_trade_that_redis_lost_is_read_from_the_books(client, door, shown, connect, monkeypatch):
    """The feed of this instance hears nothing for a while; what it missed comes in order with what it hears next."""
    user, other = await rich(client, shown), await rich(client, shown)
    trades = f"trades:{shown}"
    async with connect(client) as socket:
        await socket.subscribe(trades)
        await place(user, shown, "sell", "9", "30")
        await place(other, shown, "buy", "1", "30")
        first = (await socket.data(trades))["trade_seq"]
        feed = door.services.sockets._parts.hub._rooms[trades].feed  # the test's own hand on the wire
        with monkeypatch.context() as patch:
            patch.setattr(feed, "hear", lambda _message: ())
            for _ in range(3):
                await place(other, shown, "buy", "1", "30")
            assert [(await socket.data(trades))["trade_seq"] for _ in range(3)] == [first + 1, first + 2, first + 3]
        await place(other, shown, "buy", "1", "30")
        assert (await socket.data(trades))["trade_seq"] == first + 4
    assert RECENT_TRADES > 4


async def test_what_a_user_was_not_told_is_found_in_the_books(client, door, shown, connect, monkeypatch):
    """Words get lost: the next one, of whatever source, shows it, and the books are looked at."""
    user = await rich(client, shown)
    async with connect(client) as socket:
        await socket.authenticate(user.token)
        await socket.subscribe("orders", "wallet")
        accounts = door.services.sockets._parts.accounts
        ears = door.services.sockets._radio._ears
        (key,) = [name for name in ears if name.endswith(b":updates")]
        with monkeypatch.context() as patch:
            patch.setitem(ears, key, ears[key]._replace(hear=lambda _message: None))
            order = await place(user, shown, "buy", "1", "5")
            await asyncio.sleep(0)
        await latest(socket, order["id"], "open", "5.00")
        assert accounts._accounts


async def test_a_wallet_agent_killed_between_its_commit_and_its_word_leaves_nobody_untold(
    client, agents, shown, connect, until
):
    user = await rich(client, shown)
    async with connect(client) as socket:
        await socket.authenticate(user.token)
        await socket.subscribe("orders", "wallet")
        agents.send("agents.wallet", signal.SIGKILL)
        agents.running["agents.wallet"].wait()
        agents.start("agents.wallet", CRASH_AT="sink.after_apply:1")
        body = {"market": shown, "side": "buy", "amount": "1", "price": "6"}
        order = await user.post("orders/?wait=none", body)
        waiting = asyncio.create_task(latest(socket, order.body["id"], "open", "6.00"))

        async def is_told():
            return waiting.done()

        await until(is_told)
        await waiting
