"""One GET by hand, against servers that answer well, badly, late or not at all."""

import pytest

from runtime.embedded import ask
from runtime.embedded.home import free_port
from runtime.embedded.program import NotReady
from tests.runtime.embedded.small_servers import answering, http


async def test_an_answer_has_a_status_and_a_body() -> None:
    async with answering(http(503, '{"ready": false}')) as address:
        assert await ask.get(address, "/ready") == (503, '{"ready": false}')


async def test_a_long_answer_is_whole() -> None:
    async with answering(http(200, "x" * 500_000)) as address:
        assert await ask.get(address, "/metrics") == (200, "x" * 500_000)


async def test_nobody_there_is_not_ready() -> None:
    port = free_port(set())
    with pytest.raises(NotReady, match=rf"^nobody answers at 127\.0\.0\.1:{port} \("):
        await ask.get(f"127.0.0.1:{port}", "/ready")


async def test_one_that_never_answers_is_not_ready() -> None:
    async with answering(None) as address:
        with pytest.raises(NotReady, match=rf"^{address} did not answer within 0\.1 s$"):
            await ask.get(address, "/ready", timeout_s=0.1)


@pytest.mark.parametrize("answer", [b"", b"-ERR what\r\n", b"HTTP/1.1 yes\r\n\r\n"])
async def test_one_that_speaks_another_language_is_not_ready(answer: bytes) -> None:
    async with answering(answer) as address:
        with pytest.raises(NotReady, match=rf"^{address} did not answer in HTTP$"):
            await ask.get(address, "/ready")
