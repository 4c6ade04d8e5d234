"""Structured logs on the standard library: lines for people or JSON for machines, one record a line, on stderr.

Every line carries the request, command and market it is about, taken from context variables. No secret of the settings
and no token gets into a line, whoever tries to log it, and a library that shouts during an outage is cut short.
"""

import contextvars
import json
import logging
import re
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import IO

from runtime.settings import Settings
from runtime.telemetry import metrics

_context: contextvars.ContextVar[dict[str, object] | None] = contextvars.ContextVar("tidemark", default=None)

NOISY = ("aiokafka", "faust", "mode", "kafka", "asyncio")
"""Loggers of libraries that repeat themselves while a server is away, up to twenty lines a second."""
LINES_PER_WINDOW = 3
WINDOW_S = 10.0

STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "suppressed"}
TOKEN = re.compile(
    r"eyJ[\w-]{8,}\.[\w-]+\.[\w-]*"  # a JSON web token, whatever surrounds it
    r"|(?<=://)[^\s:/@\"]*:[^\s@/\"]+(?=@)"  # user and password in an address
    r"|(?i:(?<=bearer )[\w.~+/=-]+)"
    r"|(?i:(?<=password=)[^\s&,;\"\\]+|(?<=secret=)[^\s&,;\"\\]+|(?<=token=)[^\s&,;\"\\]+)"
)

SIGNS = ("eyj", "://", "bearer ", "password=", "secret=", "token=")
"""Without one of these nothing can match, and looking for them costs a fraction of the search."""


class about:  # noqa: N801  # read as a word: with about(request_id=...)
    """Lines written inside, in this task and the tasks it starts, carry these ids."""

    __slots__ = ("_given", "_token")

    def __init__(
        self, *, request_id: str | None = None, command_id: int | None = None, market: str | None = None
    ) -> None:
        given = {"request_id": request_id, "command_id": command_id, "market": market}
        self._given = {name: value for name, value in given.items() if value is not None}

    def __enter__(self) -> None:
        self._token = _context.set({**context(), **self._given})

    def __exit__(self, *_error: object) -> None:
        _context.reset(self._token)


def context() -> dict[str, object]:
    """What the lines of this task are about."""
    return _context.get() or {}


def fields(record: logging.LogRecord) -> dict[str, object]:
    """What a record says beside its message: the context, then whatever was given as `extra`."""
    extra = {name: value for name, value in vars(record).items() if name not in STANDARD}
    suppressed = {"suppressed": count} if (count := getattr(record, "suppressed", 0)) else {}
    return {**context(), **extra, **suppressed}


def _moment(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Redacting(logging.Formatter):
    """A formatter whose finished line holds no secret: the last step before the line is written."""

    def __init__(self, process: str, secrets: tuple[str, ...]) -> None:
        super().__init__()
        self._process = process
        written = {form for secret in secrets for form in (secret, json.dumps(secret)[1:-1]) if len(secret) >= 6}
        self._secrets = sorted(written, key=len, reverse=True)

    def format(self, record: logging.LogRecord) -> str:
        line = self.line(record)
        for secret in self._secrets:
            line = line.replace(secret, "***")
        lowered = line.lower()
        return TOKEN.sub("***", line) if any(sign in lowered for sign in SIGNS) else line

    def line(self, record: logging.LogRecord) -> str:
        raise NotImplementedError

    def trace(self, record: logging.LogRecord) -> str:
        parts = [self.formatException(record.exc_info)] if record.exc_info and record.exc_info[0] else []
        return "\n".join([*parts, record.stack_info] if record.stack_info else parts)


class Text(Redacting):
    """For people: time, level, process, logger, message, then the fields as name=value; a stack trace below."""

    def line(self, record: logging.LogRecord) -> str:
        said = "".join(f" {name}={_word(value)}" for name, value in fields(record).items())
        message = record.getMessage().replace("\n", "\n    ")
        head = f"{_moment(record)} {record.levelname:<7} {self._process} {record.name}: {message}{said}"
        trace = self.trace(record)
        return f"{head}\n{trace}" if trace else head


def _word(value: object) -> str:
    text = str(value)
    return text if re.fullmatch(r"[\w.:/#@+-]+", text) else json.dumps(text, ensure_ascii=False)


class Json(Redacting):
    """For machines: one JSON object a line."""

    def line(self, record: logging.LogRecord) -> str:
        body: dict[str, object] = {
            "at": _moment(record),
            "level": record.levelname,
            "process": self._process,
            "logger": record.name,
            "message": record.getMessage(),
            **fields(record),
        }
        if trace := self.trace(record):
            body["trace"] = trace
        return json.dumps(body, ensure_ascii=False, default=str)


class RateLimit(logging.Filter):
    """Lets a noisy logger say the same thing a few times per window, then counts; the count comes with the next line.

    It sits on the handler, since a filter on a logger does not see what the loggers below it say.
    """

    def __init__(
        self,
        prefixes: tuple[str, ...] = NOISY,
        lines: int = LINES_PER_WINDOW,
        window_s: float = WINDOW_S,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._prefixes = prefixes
        self._lines = lines
        self._window_s = window_s
        self._now = now
        self._seen: dict[tuple[str, int, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.split(".", 1)[0] not in self._prefixes:
            return True
        key = (record.name, record.levelno, str(record.msg))
        now = self._now()
        start, count = self._seen.get(key, (now, 0))
        if now - start >= self._window_s:
            record.suppressed = max(count - self._lines, 0)
            start, count = now, 0
        self._forget(now)
        self._seen[key] = (start, count + 1)
        if count < self._lines:
            return True
        metrics.LOG_LINES_SUPPRESSED.labels(record.name.split(".", 1)[0]).inc()
        return False

    def _forget(self, now: float) -> None:
        """A logger that puts changing text into its message must not fill the memory."""
        if len(self._seen) > 1000:
            self._seen = {key: entry for key, entry in self._seen.items() if now - entry[0] < self._window_s}


class Counting(logging.Filter):
    """Counts lines by level, so that an alarm can watch the errors of a process."""

    def filter(self, record: logging.LogRecord) -> bool:
        metrics.LOG_LINES.labels(record.levelname).inc()
        return True


def configure(settings: Settings, process: str, stream: IO[str] | None = None) -> None:
    """Makes the root logger write this process' lines, once; what libraries had set up before is replaced."""
    secrets = (
        settings.secret_key, settings.jwt_secret_key, settings.postgres_password, settings.redis_password,
    )  # fmt: skip
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter((Json if settings.log_format == "json" else Text)(process, secrets))
    handler.addFilter(RateLimit())
    handler.addFilter(Counting())
    logging.captureWarnings(True)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.loglevel)
    for name in NOISY:  # a library's own DEBUG is never wanted with ours
        logging.getLogger(name).setLevel(max(logging.INFO, root.level))
