"""The door: one envelope, one id, and no word about what is behind it."""

import asyncio
import dataclasses
import json
import types

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from api.app import application
from api.routing import Policy, Routes

pytestmark = pytest.mark.asyncio(loop_scope="module")

ENVELOPE = {"code", "message", "field", "request_id"}


def is_refusal(answer, status, code, field=None):
    assert (answer.status, answer.body["error"].keys()) == (status, ENVELOPE)
    error = answer.body["error"]
    assert (error["code"], error["field"]) == (code, field)
    assert error["request_id"] == answer.headers["X-Request-Id"]
    assert error["message"].endswith(".")


async def test_every_answer_has_a_request_id_of_its_own(client):
    ids = [(await client.get(path)).headers["X-Request-Id"] for path in ("/", "/live", "/metrics", "time", "nowhere")]
    assert len(set(ids)) == len(ids)


async def test_a_path_that_is_not_there_is_answered_in_json(client):
    is_refusal(await client.get("/nowhere"), 404, "not_found")
    is_refusal(await client.get("accounts/"), 404, "not_found")


async def test_a_method_that_is_not_there_is_answered_with_those_that_are(client):
    answer = await client.delete("time/")
    is_refusal(answer, 405, "method_not_allowed")
    assert answer.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize("path", ["time", "time/", "/live", "/live/", "/ready", "/ready/"])
async def test_a_path_answers_with_and_without_its_last_slash(client, path):
    assert (await client.get(path)).status in ((200, 503) if "ready" in path else (200,))


async def test_head_is_get_without_the_body(client):
    answer = await client.call("HEAD", "time/")
    assert (answer.status, answer.body) == (200, None)


async def test_a_host_that_is_not_ours_is_refused(client):
    is_refusal(await client.get("/api/v1/time/", headers={"Host": "evil.example"}), 400, "invalid_host")
    assert (await client.get("/api/v1/time/", headers={"Host": "localhost:9"})).status == 200


async def test_health_is_asked_by_address_whatever_the_names_are(client):
    assert (await client.get("/live", headers={"Host": "192.0.2.1:9"})).status == 200
    assert "parts" in (await client.get("/ready", headers={"Host": "192.0.2.1:9"})).body
    is_refusal(await client.get("/metrics", headers={"Host": "192.0.2.1:9"}), 400, "invalid_host")
    assert (await client.get("/live", headers={"Host": "[::1]:9"})).status == 200


async def test_a_body_over_64_kib_is_refused(client):
    answer = await client.post("accounts/auth/login/", {"username": "a" * 70_000, "password": "x"})
    is_refusal(answer, 413, "too_large")


async def test_a_chunked_body_over_64_kib_is_refused(client):
    async def chunks():
        for _ in range(70):
            yield b" " * 1024

    async with client.session.post(client.base + "/api/v1/accounts/auth/login/", data=chunks()) as response:
        assert response.status == 413
        assert (await response.json())["error"]["code"] == "too_large"


@pytest.mark.parametrize(
    "body",
    [
        b"", b"   ", b"[]", b'"text"', b"nul", b"{", b'{"a":1,"a":2}', b'{"username":NaN}', b'{"username":Infinity}',
        b"\xff\xfe", b"[" * 50_000, b'{"username":"\\ud800","password":"12345678"}',
        b'{"username":"a\\u0000bc","password":"12345678"}', b'{"username":' + b"9" * 5000 + b"}",
    ],
)  # fmt: skip
async def test_a_body_that_is_not_a_json_object_of_plain_text_is_refused(client, body):
    is_refusal(await client.post("accounts/auth/register/", body), 400, "malformed")


async def test_the_first_wrong_field_is_named_with_its_rule(client):
    async def refused(body):
        answer = await client.post("accounts/auth/register/", body)
        assert answer.status == 400
        error = answer.body["error"]
        return error["code"], error["field"], error["message"]

    good = {"username": "ada", "password": "correct horse"}
    assert await refused(good | {"usrename": "x"}) == (
        "unknown_field", "usrename", "usrename is not a field of this call.")  # fmt: skip
    assert await refused({"username": "ada"}) == ("missing_field", "password", "password is required.")
    assert await refused(good | {"username": 7}) == ("invalid_field", "username", "username must be text.")
    assert await refused(good | {"username": "a b"}) == (
        "invalid_field", "username", "username must be 3 to 32 characters of a-z, 0-9, _ . and -.")  # fmt: skip
    assert await refused(good | {"password": "short"}) == (
        "invalid_field", "password", "password must be 8 to 128 characters long.")  # fmt: skip


async def test_bytes_that_are_not_http_are_answered_in_the_same_envelope(client):
    host, port = client.base.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET / NONSENSE\r\n\r\n")
    raw = await reader.read()
    writer.close()
    head, _, body = raw.partition(b"\r\n\r\n")
    assert head.startswith((b"HTTP/1.0 400", b"HTTP/1.1 400"))
    error = json.loads(body)["error"]
    assert (error.keys(), error["code"]) == (ENVELOPE, "malformed")


async def test_the_clock_tells_one_time_in_two_ways(client):
    answer = await client.get("time/")
    assert answer.body.keys() == {"time", "epoch_ms"}
    assert answer.body["time"].endswith(f".{answer.body['epoch_ms'] % 1000:03}Z")


async def test_ready_names_every_part(client):
    for _ in range(100):
        answer = await client.get("/ready")
        if answer.status == 200:
            break
        await asyncio.sleep(0.1)
    assert answer.body == {
        "ready": True,
        "parts": dict.fromkeys(("postgres", "migrations", "kafka", "topics", "redis", "journal")),
    }


async def test_no_origin_is_allowed_unless_it_is_named(client):
    answer = await client.get("time/", headers={"Origin": "https://elsewhere.example"})
    assert "Access-Control-Allow-Origin" not in answer.headers


async def test_the_page_at_the_root_links_everything(client):
    answer = await client.get("/")
    assert answer.headers["Content-Type"].startswith("text/html")
    assert all(path in answer.body for path in ("/api/v1/swagger/", "/api/v1/redoc/", "/api/v1/openapi.json", "/ready"))


async def test_a_client_that_hangs_up_in_the_middle_of_its_body_harms_nobody(client):
    host, port = client.base.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /api/v1/accounts/auth/login/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
    writer.close()
    async with aiohttp.ClientSession() as session, session.get(client.base + "/live") as response:
        assert response.status == 200


async def test_an_origin_that_is_named_may_call_from_a_browser(settings_of_door, a_door):
    ours, other = "https://desk.example", "https://evil.example"
    asking = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    async with a_door(dataclasses.replace(settings_of_door, cors_origins=(ours,))) as opened:
        answer = await opened.client.get("time/", headers={"Origin": ours})
        assert answer.headers["Access-Control-Allow-Origin"] == ours
        assert answer.headers["Vary"] == "Origin"
        preflight = await opened.client.call("OPTIONS", "orders/", headers={"Origin": ours, **asking})
        assert (preflight.status, preflight.headers["Access-Control-Allow-Origin"]) == (204, ours)
        assert "POST" in preflight.headers["Access-Control-Allow-Methods"]
        stranger = await opened.client.call("OPTIONS", "orders/", headers={"Origin": other, **asking})
        assert (stranger.status, "Access-Control-Allow-Origin" in stranger.headers) == (405, False)


@pytest.mark.parametrize("debug", [True, False])
async def test_a_fault_of_ours_is_told_without_its_trace(settings_of_door, debug, caplog):
    routes = Routes("faults")

    @routes.get("fault", Policy.PUBLIC)
    async def fault(_call):
        """It fails."""
        raise ZeroDivisionError("a secret of the inside")

    services = types.SimpleNamespace(settings=dataclasses.replace(settings_of_door, debug=debug))
    app = application(services, routes)
    app.on_shutdown.clear()  # there are no sockets to say goodbye to
    async with (
        TestServer(app) as server,
        aiohttp.ClientSession() as session,
        session.get(server.make_url("/api/v1/fault"), headers={"Accept": "text/html"}) as response,
    ):
        body = await response.json()
        assert (response.status, body["error"].keys(), body["error"]["code"]) == (500, ENVELOPE, "internal")
        assert "secret" not in await response.text()
        assert "ZeroDivisionError" in caplog.text


async def test_an_expectation_that_we_cannot_meet_is_refused_in_the_envelope(client):
    is_refusal(await client.get("time/", headers={"Expect": "wonders"}), 400, "malformed")
