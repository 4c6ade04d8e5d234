"""What a client may say and what he is answered, who may come in, and how much he may ask for."""

import asyncio
import json
import socket as sockets

import aiohttp
import pytest

from api.sockets import client as connection
from api.sockets import limits, reception
from api.sockets.outlet import MOST_WAITING
from api.tokens import AccessTokens
from runtime import redis
from runtime.telemetry import metrics
from schemas.views import Ticker, encode_view, ticker_key

pytestmark = pytest.mark.asyncio(loop_scope="module")
PLAIN = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "x" * 22}


async def refused(socket, **frame):
    await socket.say(**frame)
    answer = await socket.next()
    assert answer["op"] == "error", answer
    assert answer["message"].endswith(".")
    return answer["code"]


async def test_ping_is_pong(socket):
    await socket.say(op="ping")
    assert await socket.next() == {"op": "pong"}
    await socket.say(op="ping", id=3)
    assert await socket.next() == {"op": "pong", "id": 3}


async def test_what_is_no_frame_is_refused_and_the_connection_goes_on(socket, market):
    codes = []
    for text in ("", "{", "[]", '{"op":"shout","id":5}', '{"op":"subscribe"}', '{"op":"ping","x":1}'):
        await socket.ws.send_str(text)
        codes.append((await socket.next())["code"])
    assert codes == ["malformed", "malformed", "invalid_field", "invalid_field", "invalid_field", "invalid_field"]
    await socket.ws.send_bytes(b'{"op":"ping"}')
    assert (await socket.next())["code"] == "malformed"
    await socket.say(op="ping")
    assert await socket.next() == {"op": "pong"}


async def test_an_error_names_the_frame_that_it_answers(socket):
    await socket.say(op="subscribe", channels=["nothing"], id=9)
    answer = await socket.next()
    assert (answer["code"], answer["id"], set(answer)) == ("unknown_channel", 9, {"op", "code", "message", "id"})


async def test_a_subscription_is_taken_whole_or_not_at_all(socket, market):
    good = f"ticker:{market}"
    assert await refused(socket, op="subscribe", channels=[good, "ticker:NO-NE"]) == "unknown_market"
    assert await refused(socket, op="subscribe", channels=[good, "wallet"]) == "unauthenticated"
    assert await refused(socket, op="subscribe", channels=[good], since_seq={"x": 1}) == "invalid_field"
    await socket.subscribe(good, f"orderbook:{market}")
    await socket.say(op="unsubscribe", channels=[good, "orders"], id=1)
    assert await socket.next() == {"op": "unsubscribed", "channels": [good, "orders"], "id": 1}


async def test_a_token_is_checked_as_over_http(socket, user):
    assert await refused(socket, op="auth") == "unauthenticated"
    assert await refused(socket, op="auth", key="k", timestamp=1, signature="s") == "unauthenticated"
    assert await refused(socket, op="auth", token="nonsense") == "invalid_token"
    assert await refused(socket, op="auth", token=user.token + "x") == "invalid_token"
    await socket.authenticate(user.token)
    await socket.subscribe("orders", "wallet")


async def test_a_connection_stays_one_users(socket, client, user):
    await socket.authenticate(user.token)
    other = await client.register("somebody-else")
    assert await refused(socket, op="auth", token=other.token) == "invalid_token"
    await socket.authenticate(user.token)


async def test_a_token_that_ends_closes_what_is_private_and_nothing_else(client, door, user, market, connect):
    tokens: AccessTokens = door.services.tokens
    user_id = (await user.get("accounts/me/")).body["id"]
    now = int(door.services.clock())
    async with connect(client) as socket:
        await socket.authenticate(tokens.issue(user_id, now - 15 * 60 + 3))
        await socket.subscribe("orders", "wallet", f"ticker:{market}")
        ended = await socket.next()
        assert (ended["op"], ended["code"], ended["channels"]) == ("error", "token_expired", ["orders", "wallet"])
        assert await refused(socket, op="subscribe", channels=["orders"]) == "unauthenticated"
        await publish(door, market, 1)
        assert (await socket.data(f"ticker:{market}"))["seq"] == 1
        await socket.authenticate(user.token)
        await socket.subscribe("orders")


async def test_a_new_token_in_time_goes_on(client, door, user, connect):
    user_id = (await user.get("accounts/me/")).body["id"]
    async with connect(client) as socket:
        await socket.authenticate(door.services.tokens.issue(user_id, int(door.services.clock()) - 15 * 60 + 3))
        await socket.subscribe("wallet")
        await socket.authenticate(user.token)
        await asyncio.sleep(4)
        await user.patch("accounts/wallet/deposit/", {"amount": "7"})
        assert (await socket.data("wallet"))["balance"] == "7.00"


async def test_too_many_frames_close_the_connection(socket):
    for _ in range(2 * limits.WORDS_AT_ONCE):
        await socket.say(op="ping")
    answer = await socket.until(lambda frame: frame["op"] != "pong")
    assert answer["code"] == "too_many_requests"
    assert await socket.next() == 4029


async def test_a_frame_that_is_too_long_closes_the_connection(socket):
    await socket.say(op="subscribe", channels=["x" * 20_000])
    assert await socket.next() == 1009


async def test_a_connection_has_so_many_channels(socket, market, monkeypatch):
    monkeypatch.setattr(limits, "CHANNELS", 2)
    await socket.subscribe(f"ticker:{market}", f"trades:{market}")
    await socket.subscribe(f"ticker:{market}")
    assert await refused(socket, op="subscribe", channels=[f"orderbook:{market}"]) == "too_many_channels"
    await socket.say(op="unsubscribe", channels=[f"ticker:{market}"])
    await socket.until(lambda frame: frame["op"] == "unsubscribed")
    await socket.subscribe(f"orderbook:{market}")


async def test_a_user_has_so_many_channels_and_connections(client, user, market, connect, monkeypatch):
    monkeypatch.setattr(limits, "CHANNELS_OF_USER", 2)
    monkeypatch.setattr(limits, "CONNECTIONS_OF_USER", 2)
    async with connect(client) as one, connect(client) as two, connect(client) as three:
        await one.authenticate(user.token)
        await one.subscribe("orders")
        await two.authenticate(user.token)
        await two.subscribe("orders")
        assert await refused(two, op="subscribe", channels=["wallet"]) == "too_many_channels"
        assert await refused(three, op="auth", token=user.token) == "too_many_connections"
        assert await three.next() == 4029
        await one.ws.close()
        await two.subscribe("wallet")


async def test_an_address_has_so_many_connections(client, connect, monkeypatch):
    monkeypatch.setattr(limits, "CONNECTIONS_OF_ADDRESS", 1)
    async with connect(client) as socket:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            await client.session.ws_connect(client.base + "/api/v1/ws")
        assert refusal.value.status == 429
        await socket.ws.close()


async def test_plain_http_is_told_what_is_spoken_here(client):
    answer = await client.get("/api/v1/ws")
    assert (answer.status, answer.code, answer.headers["Upgrade"]) == (426, "upgrade_required", "websocket")
    assert (await client.post("/api/v1/ws")).status == 405


async def test_pages_of_other_origins_may_not_listen(client, door):
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        await client.session.ws_connect(client.base + "/api/v1/ws", headers={"Origin": "http://evil.example"})
    assert refusal.value.status == 403
    async with client.session.ws_connect(client.base + "/api/v1/ws", headers={"Origin": client.base}) as ws:
        headers = ws._response.headers
        assert (headers["Server"], len(headers["X-Request-Id"])) == ("tidemark", 20)
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        await client.session.ws_connect(client.base + "/api/v1/ws", headers={"Host": "evil.example"})
    assert refusal.value.status == 400


async def test_at_the_end_everybody_is_told_good_bye(settings_of_door, a_door, connect):
    async with a_door(settings_of_door) as opened, connect(opened.client) as one, connect(opened.client) as two:
        await one.say(op="ping")
        assert await one.next() == {"op": "pong"}
        leaving = asyncio.create_task(opened.services.sockets.close())
        for socket in (one, two):
            assert (await socket.next(), await socket.next()) == ({"op": "bye"}, 1001)
        await leaving
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await opened.client.session.ws_connect(opened.client.base + "/api/v1/ws")


async def publish(door, market, seq, size=0):
    """Tells a ticker as the market data agent does, as large as it takes."""
    settings = door.services.settings
    value = encode_view(Ticker(market, seq, "1", "1", "1", "1", "1" + "0" * size, "1", None, None, None))
    async with redis.client(settings) as connection:
        await connection.set(settings.redis_key(ticker_key(market)), value)  # for whoever does not hear the message
        await connection.publish(settings.redis_key(ticker_key(market)), value)


async def test_who_does_not_answer_a_ping_is_let_go_and_who_does_stays(client, connect, market, monkeypatch):
    monkeypatch.setattr(reception, "HEARTBEAT_S", 0.2)
    async with connect(client) as alive, connect(client, autoping=False) as gone:
        for one in (alive, gone):
            await one.subscribe(f"ticker:{market}")
        pings, listening = 0, asyncio.create_task(alive.next())
        while (message := await gone.ws.receive(60)).type is not aiohttp.WSMsgType.CLOSED:
            assert message.type in (aiohttp.WSMsgType.PING, aiohttp.WSMsgType.CLOSE), message
            pings += message.type is aiohttp.WSMsgType.PING
        assert pings == 1
        await alive.say(op="ping", id="still here")
        assert await listening == {"op": "pong", "id": "still here"}


async def test_who_asks_for_nothing_is_closed_after_a_while(client, connect, market, monkeypatch):
    monkeypatch.setattr(connection, "IDLE_S", 0.3)
    async with connect(client) as busy, connect(client) as idle:
        await busy.subscribe(f"ticker:{market}")
        assert await idle.next() == connection.IDLE == 4000
        await busy.say(op="ping")
        assert await busy.next() == {"op": "pong"}


async def test_a_slow_reader_is_cut_off_and_the_others_notice_nothing(client, door, market, connect):
    address = (client.base.rpartition("/")[2].split(":")[0], int(client.base.rpartition(":")[2]))
    slow = sockets.socket()
    slow.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    slow.connect(address)
    async with connect(client) as fast:
        slow.sendall(handshake(client.base))
        slow.sendall(masked(json.dumps({"op": "subscribe", "channels": [f"ticker:{market}"]}).encode()))
        await fast.subscribe(f"ticker:{market}")
        size, seq = MOST_WAITING // 4, 0
        while sample("tidemark_sockets_closed_total", reason="slow") < 1:
            seq += 1
            await publish(door, market, seq, size)
            assert (await fast.data(f"ticker:{market}"))["seq"] == seq
        slow.setblocking(False)
        assert b"\x88" + bytes([2 + len(b"you read too slowly")]) + (4008).to_bytes(2, "big") in await rest(slow)
        await publish(door, market, seq + 1)
        assert (await fast.data(f"ticker:{market}"))["seq"] == seq + 1
    slow.close()


def handshake(base):
    lines = [f"GET /api/v1/ws HTTP/1.1\r\nHost: {base.rpartition('/')[2]}", *(f"{k}: {v}" for k, v in PLAIN.items())]
    return ("\r\n".join(lines).replace("x" * 22, "x" * 21 + "w==") + "\r\n\r\n").encode()


def masked(payload):
    return bytes((0x81, 0x80 | len(payload))) + bytes(4) + payload if len(payload) < 126 else None


async def rest(slow):
    """Everything that the slow one gets when he reads at last."""
    loop, found = asyncio.get_running_loop(), b""
    while data := await asyncio.wait_for(loop.sock_recv(slow, 1 << 20), 60):
        found = found[-200:] + data
        if b"you read too slowly" in found:
            break
    return found


def sample(name, **labels):
    return metrics.registry.get_sample_value(name, labels) or 0
