"""Lines carry what they are about, never a secret, and a shouting library is cut short."""

import asyncio
import io
import json
import logging
from pathlib import Path

import pytest

from runtime.settings import Settings
from runtime.telemetry import logs, metrics
from runtime.telemetry.logs import RateLimit, about, configure

AT = 1_700_000_000.5


@pytest.fixture
def root():
    """The root logger as it was, whatever the test configures."""
    logger = logging.getLogger()
    handlers, level = logger.handlers[:], logger.level
    yield logger
    logging.captureWarnings(False)
    logger.handlers[:] = handlers
    logger.setLevel(level)


def settings(**changes) -> Settings:
    return Settings(home=Path("/nowhere"), **changes)


def written(root, log, **changes) -> str:
    stream = io.StringIO()
    configure(settings(**changes), "matching", stream)
    log(logging.getLogger("agents.matching"))
    return stream.getvalue()


def record(message: str, *args: object, **extra: object) -> logging.LogRecord:
    made = logging.makeLogRecord(
        {"name": "agents.matching", "levelname": "INFO", "msg": message, "args": args, **extra}
    )
    made.created = AT
    return made


def test_a_line_for_people():
    with about(market="BTC-USD", command_id=7):
        line = logs.Text("matching", ()).format(record("snapshot of %d orders", 3, took_ms=12, why="two words"))
    assert line == (
        "2023-11-14T22:13:20.500Z INFO    matching agents.matching: snapshot of 3 orders"
        ' command_id=7 market=BTC-USD took_ms=12 why="two words"'
    )


def test_a_line_for_machines():
    with about(request_id="r-1"):
        line = logs.Json("api", ()).format(record("two\nlines", took_ms=12))
    assert json.loads(line) == {
        "at": "2023-11-14T22:13:20.500Z", "level": "INFO", "process": "api", "logger": "agents.matching",
        "message": "two\nlines", "request_id": "r-1", "took_ms": 12,
    }  # fmt: skip
    assert "\n" not in line


def test_an_exception_is_written_with_its_trace(root):
    def fail(log):
        try:
            raise ValueError("broken")
        except ValueError:
            log.exception("it failed")

    text = written(root, fail)
    assert text.splitlines()[0].endswith("ERROR   matching agents.matching: it failed")
    assert text.splitlines()[-1] == "ValueError: broken"
    assert json.loads(written(root, fail, log_format="json"))["trace"].endswith("ValueError: broken")


async def test_a_task_keeps_the_ids_of_the_request_that_started_it_and_no_others():
    seen = []

    async def work() -> None:
        await asyncio.sleep(0)
        seen.append(logs.context())

    with about(request_id="r-1"):
        first = asyncio.create_task(work())
        with about(command_id=5):
            second = asyncio.create_task(work())
    await asyncio.gather(first, second)
    assert seen == [{"request_id": "r-1"}, {"request_id": "r-1", "command_id": 5}]
    assert logs.context() == {}


@pytest.mark.parametrize(
    ("message", "safe"),
    [
        ("connecting with tr0ub4dor", "connecting with ***"),
        ("header Bearer abc.def", "header Bearer ***"),
        ("got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln here", "got *** here"),
        ("postgres://tidemark:hush@127.0.0.1:5432/x", "postgres://***@127.0.0.1:5432/x"),
        ("body password=hush&user=ann", "body password=***&user=ann"),
        ("key sk-123456789", "key ***"),
        ('quoted pass"word', "quoted ***"),
    ],
)
@pytest.mark.parametrize("log_format", ["text", "json"])
def test_no_secret_is_written(root, message, safe, log_format):
    text = written(
        root, lambda log: log.warning(message), log_format=log_format,
        postgres_password="tr0ub4dor", secret_key="sk-123456789", jwt_secret_key='pass"word',
    )  # fmt: skip
    assert safe in text
    assert message not in text
    assert log_format == "text" or json.loads(text)["message"] == safe


def test_a_secret_in_an_exception_or_an_extra_is_not_written_either(root):
    def leak(log):
        try:
            raise ValueError("tr0ub4dor")
        except ValueError:
            log.exception("failed", extra={"given": "tr0ub4dor"})

    assert "tr0ub4dor" not in written(root, leak, postgres_password="tr0ub4dor")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_noisy_library_says_the_same_three_times_per_window_and_then_how_often_it_wanted_to():
    clock = Clock()
    limit = RateLimit(now=clock)
    noise = [record("no connection to %s", "a", name="aiokafka.conn") for _ in range(20)]
    assert [limit.filter(line) for line in noise] == [True] * 3 + [False] * 17
    assert limit.filter(record("something else", name="aiokafka.conn"))
    clock.now = 10.0
    later = record("no connection to %s", "a", name="aiokafka.conn")
    assert limit.filter(later)
    assert later.suppressed == 17
    assert logs.Text("api", ()).format(later).endswith("no connection to a suppressed=17")


def test_our_own_lines_are_never_left_out():
    limit = RateLimit(now=Clock())
    assert all(limit.filter(record("the same", name="agents.matching")) for _ in range(50))


def test_the_memory_of_the_limit_is_bounded():
    clock = Clock()
    limit = RateLimit(now=clock)
    for number in range(5000):
        clock.now = float(number)
        limit.filter(record(f"changing {number}", name="faust"))
    assert len(limit._seen) <= 1001


def test_lines_are_counted_by_level(root):
    before = metrics.registry.get_sample_value("tidemark_log_lines_total", {"level": "ERROR"}) or 0
    written(root, lambda log: [log.error("one"), log.error("two"), log.debug("not written")])
    assert metrics.registry.get_sample_value("tidemark_log_lines_total", {"level": "ERROR"}) == before + 2


def test_configuring_twice_writes_each_line_once(root):
    configure(settings(), "api", io.StringIO())
    assert written(root, lambda log: log.info("once")).count("once") == 1


def test_a_library_never_logs_below_info(root):
    assert written(root, lambda _: logging.getLogger("aiokafka.conn").debug("detail"), loglevel="DEBUG") == ""
