"""One question to each server in its own protocol: the real ones answer, and whatever is wrong has a reason."""

import dataclasses
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from runtime.embedded import knock
from runtime.embedded.home import free_port
from runtime.embedded.knock import knock_kafka, knock_postgres, knock_valkey
from runtime.embedded.program import NotReady
from runtime.settings import Settings
from tests.runtime.embedded.small_servers import answering

Knock = Callable[[Settings], Awaitable[None]]
KNOCKS = [knock_kafka, knock_postgres, knock_valkey]
STARTING_UP = b"E\0\0\0\x55SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0"
WRONG_PASSWORD = (
    b"-WRONGPASS invalid username-password pair or user is disabled.\r\n-NOAUTH Authentication required.\r\n"
)


def at(address: str) -> Settings:
    host, _, port = address.rpartition(":")
    return Settings(
        home=Path("/nowhere"),
        postgres_host=host,
        postgres_port=int(port),
        redis_host=host,
        redis_port=int(port),
        redis_password="secret",
        kafka_bootstrap=address,
    )


async def reason(knock: Knock, settings: Settings) -> str:
    with pytest.raises(NotReady) as why:
        await knock(settings)
    return str(why.value)


@pytest.mark.parametrize("knock", KNOCKS)
async def test_the_real_server_answers(stack: Settings, knock: Knock) -> None:
    await knock(stack)


async def test_the_real_server_refuses_a_wrong_password(stack: Settings) -> None:
    assert "WRONGPASS" in await reason(knock_valkey, dataclasses.replace(stack, redis_password="wrong"))


@pytest.mark.parametrize("knock", KNOCKS)
async def test_nobody_there_has_a_reason(knock: Knock) -> None:
    address = f"127.0.0.1:{free_port(set())}"
    assert (await reason(knock, at(address))).startswith(f"nobody answers at {address} (")


@pytest.mark.parametrize("knock_one", KNOCKS)
async def test_one_that_never_answers_has_a_reason(knock_one: Knock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knock, "TIMEOUT_S", 0.1)
    async with answering(None) as address:
        assert await reason(knock_one, at(address)) == f"{address} did not answer within 0.1 s"


@pytest.mark.parametrize(
    ("knock", "answer", "why"),
    [
        (knock_postgres, STARTING_UP, "it is starting up or shutting down"),
        (knock_postgres, b"HTTP/1.1 400\r\n", "it does not speak PostgreSQL's protocol"),
        (knock_postgres, b"", "it does not speak PostgreSQL's protocol"),
        (knock_valkey, WRONG_PASSWORD, "it answered WRONGPASS invalid username-password pair or user is disabled."),
        (knock_valkey, b"-LOADING Valkey is loading\r\n", "it answered LOADING Valkey is loading"),
        (knock_valkey, b"HTTP/1.1 400\r\n", "it does not speak the protocol of Redis"),
        (knock_valkey, b"", "it does not speak the protocol of Redis"),
        (knock_kafka, struct.pack("!iih", 6, 7, 35), "it does not speak Kafka's protocol"),
        (knock_kafka, b"", "it does not speak Kafka's protocol"),
    ],
)
async def test_a_wrong_answer_has_a_reason(knock: Knock, answer: bytes, why: str) -> None:
    async with answering(answer) as address:
        assert await reason(knock, at(address)) == why


async def test_any_broker_of_several_will_do() -> None:
    async with answering(struct.pack("!iih", 6, 7, 0)) as address:
        settings = dataclasses.replace(at(address), kafka_bootstrap=f"127.0.0.1:{free_port(set())}, {address}")
        await knock_kafka(settings)


@pytest.mark.parametrize("bootstrap", ["", "kafka", "kafka:port", ":9092"])
async def test_an_address_that_is_none_has_a_reason(bootstrap: str) -> None:
    settings = dataclasses.replace(at("127.0.0.1:1"), kafka_bootstrap=bootstrap)
    assert await reason(knock_kafka, settings) == f"{bootstrap!r} is not of the form host:port"
