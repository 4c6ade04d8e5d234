"""The site says whether a process lives, whether each part is ready and why not, and what it has measured."""

import asyncio

import aiohttp
import pytest

from runtime.telemetry import metrics, site
from runtime.telemetry.site import Site, readiness


async def fine() -> None:
    return None


async def behind() -> str:
    return "12 records behind."


async def never() -> None:
    await asyncio.Event().wait()


async def get(address: str, path: str) -> tuple[int, str, object]:
    async with aiohttp.ClientSession() as session, session.get(f"http://{address}{path}") as answer:
        body = await answer.json() if answer.content_type == "application/json" else await answer.text()
        return answer.status, answer.content_type, body


async def test_a_process_that_is_ready():
    async with Site({"kafka": fine, "books": fine}) as one:
        address = await one.start(0)
        assert await get(address, "/live") == (200, "application/json", {"live": True})
        assert await get(address, "/ready") == (
            200, "application/json", {"ready": True, "parts": {"kafka": None, "books": None}},
        )  # fmt: skip


async def test_a_part_that_is_not_ready_is_named_with_its_reason():
    async with Site({"kafka": fine, "books": behind}) as one:
        address = await one.start(0)
        assert await get(address, "/ready") == (
            503, "application/json", {"ready": False, "parts": {"kafka": None, "books": "12 records behind."}},
        )  # fmt: skip
        assert (await get(address, "/live"))[0] == 200
    ready = {
        part: metrics.registry.get_sample_value("tidemark_part_ready", {"part": part}) for part in ("kafka", "books")
    }
    assert ready == {"kafka": 1, "books": 0}


async def test_a_part_that_hangs_does_not_hide_the_others(monkeypatch):
    monkeypatch.setattr(site, "PART_TIMEOUT_S", 0.05)
    assert await readiness({"kafka": never, "books": behind, "redis": fine}) == {
        "kafka": "No answer within 0.05 s.", "books": "12 records behind.", "redis": None,
    }  # fmt: skip


async def test_metrics_are_served_in_the_words_of_prometheus(monkeypatch):
    monkeypatch.setattr(site, "LAG_EVERY_S", 0.001)
    async with Site({}) as one:
        address = await one.start(0)
        while not metrics.registry.get_sample_value("tidemark_event_loop_lag_seconds_count"):
            await asyncio.sleep(0.001)
        status, kind, text = await get(address, "/metrics")
    assert (status, kind) == (200, "text/plain")
    assert "tidemark_event_loop_lag_seconds_bucket" in text


async def test_a_process_tells_how_often_it_was_started_again(monkeypatch):
    monkeypatch.setenv("TIDEMARK_RESTARTS", "3")
    async with Site({}) as one:
        _, _, text = await get(await one.start(0), "/metrics")
    assert "\ntidemark_process_restarts 3.0\n" in text


async def test_a_port_is_free_again_after_the_stop():
    one = Site({})
    port = int((await one.start(0)).rpartition(":")[2])
    await one.stop()
    await one.stop()
    async with Site({}) as other:
        assert await other.start(port) == f"127.0.0.1:{port}"


async def test_a_taken_port_is_an_error():
    async with Site({}) as one, Site({}) as other:
        port = int((await one.start(0)).rpartition(":")[2])
        with pytest.raises(OSError, match="address already in use"):
            await other.start(port)
