import asyncio
import dataclasses
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from runtime.embedded import servers as parts
from runtime.embedded.home import Home, free_port
from runtime.embedded.servers import check_external, servers
from runtime.settings import Settings


@pytest.fixture
async def silent() -> AsyncIterator[int]:
    """A port that takes connections and never says a word."""
    held: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _reader, writer: held.append(writer), "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    for writer in held:
        writer.close()
    server.close()


def named(settings: Settings, home: Home) -> list[str]:
    return [program.name for program in servers(settings, home)]


def test_a_server_with_an_address_is_not_ours_to_start(tmp_path: Path) -> None:
    home, none = Home(tmp_path), Settings(home=tmp_path)
    assert named(none, home) == ["kafka", "postgres", "valkey"]
    assert named(dataclasses.replace(none, kafka_bootstrap="k:9092"), home) == ["postgres", "valkey"]
    assert named(dataclasses.replace(none, postgres_host="p"), home) == ["kafka", "valkey"]
    assert named(dataclasses.replace(none, redis_host="r"), home) == ["kafka", "postgres"]
    assert named(home.resolve(none), home) == []


async def test_nothing_external_is_nothing_to_check(tmp_path: Path) -> None:
    assert await check_external(Settings(home=tmp_path)) == []


async def test_servers_as_the_settings_say_have_no_fault(servers: Settings) -> None:
    assert await check_external(servers) == []


async def test_each_wrong_setting_is_one_sentence_that_names_it(servers: Settings) -> None:
    wrong = dataclasses.replace(
        servers, postgres_password="guess", redis_password="guess", kafka_bootstrap=f"127.0.0.1:{servers.redis_port}"
    )
    assert await check_external(wrong) == [
        (
            f"PostgreSQL at 127.0.0.1:{servers.postgres_port} (POSTGRES_HOST, POSTGRES_PORT) refuses user 'tidemark': "
            "look at POSTGRES_USER and POSTGRES_PASSWORD."
        ),
        (
            f"Redis at 127.0.0.1:{servers.redis_port} (REDIS_HOST, REDIS_PORT) refuses the password: "
            "look at REDIS_PASSWORD."
        ),
        f"Kafka at 127.0.0.1:{servers.redis_port} (KAFKA_BOOTSTRAP) listens, but does not answer as a Kafka broker.",
    ]


async def test_a_database_that_is_not_there_is_named(servers: Settings) -> None:
    wrong = dataclasses.replace(servers, postgres_db="elsewhere", redis_host=None, kafka_bootstrap=None)
    assert await check_external(wrong) == [
        (
            f"PostgreSQL at 127.0.0.1:{servers.postgres_port} (POSTGRES_HOST, POSTGRES_PORT) "
            "has no database 'elsewhere': create it, or look at POSTGRES_DB."
        )
    ]


async def test_a_redis_without_a_password_given_is_told(servers: Settings) -> None:
    wrong = dataclasses.replace(servers, redis_password="", postgres_host=None, kafka_bootstrap=None)
    assert await check_external(wrong) == [
        (
            f"Redis at 127.0.0.1:{servers.redis_port} (REDIS_HOST, REDIS_PORT) refuses the password: "
            "look at REDIS_PASSWORD."
        )
    ]


async def test_where_nobody_listens(tmp_path: Path) -> None:
    port = free_port(taken=set())
    refused = "refuses the connection: nobody listens there."
    assert await check_external(everything_at(tmp_path, "127.0.0.1", port)) == [
        f"PostgreSQL at 127.0.0.1:{port} (POSTGRES_HOST, POSTGRES_PORT) {refused}",
        f"Redis at 127.0.0.1:{port} (REDIS_HOST, REDIS_PORT) {refused}",
        f"Kafka at 127.0.0.1:{port} (KAFKA_BOOTSTRAP) {refused}",
    ]


async def test_a_name_that_does_not_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown(*_args: object, **_kwargs: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(parts.asyncpg, "connect", unknown)
    settings = Settings(home=tmp_path, postgres_host="no.such.name.invalid")
    assert await check_external(settings) == [
        "PostgreSQL at no.such.name.invalid:5432 (POSTGRES_HOST, POSTGRES_PORT) has a name that cannot be found."
    ]


async def test_whoever_says_nothing_is_not_waited_for_long(
    tmp_path: Path, silent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "PATIENCE_S", 0.2)
    assert await check_external(everything_at(tmp_path, "127.0.0.1", silent)) == [
        f"PostgreSQL at 127.0.0.1:{silent} (POSTGRES_HOST, POSTGRES_PORT) did not answer within 0 s.",
        f"Redis at 127.0.0.1:{silent} (REDIS_HOST, REDIS_PORT) did not answer within 0 s.",
        f"Kafka at 127.0.0.1:{silent} (KAFKA_BOOTSTRAP) listens, but does not answer as a Kafka broker.",
    ]


@pytest.mark.parametrize(
    ("bootstrap", "fault"),
    [
        ("broker", "Kafka at broker (KAFKA_BOOTSTRAP) is not of the form host:port."),
        (" , ", "KAFKA_BOOTSTRAP names no broker: write host:port."),
    ],
)
async def test_a_bootstrap_that_is_no_address(tmp_path: Path, bootstrap: str, fault: str) -> None:
    assert await check_external(Settings(home=tmp_path, kafka_bootstrap=bootstrap)) == [fault]


async def test_one_broker_of_several_is_enough(servers: Settings) -> None:
    several = f"127.0.0.1:{free_port(taken=set())}, {servers.kafka_bootstrap}"
    settings = dataclasses.replace(servers, kafka_bootstrap=several, postgres_host=None, redis_host=None)
    assert await check_external(settings) == []


def everything_at(tmp_path: Path, host: str, port: int) -> Settings:
    return Settings(
        home=tmp_path, postgres_host=host, postgres_port=port, redis_host=host, redis_port=port,
        kafka_bootstrap=f"{host}:{port}",
    )  # fmt: skip
