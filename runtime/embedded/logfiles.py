"""One log file per process: children append to it themselves, so they never wait for the supervisor.

A file that grew too large is copied to `NAME.log.1` and emptied in its place: whoever has it open goes on writing to
the same file. A line written in the instant between the copy and the emptying is lost; that is the price.
"""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from runtime.embedded.program import Broken

LIMIT_BYTES = 8 << 20
KEEP = 4
TAIL_BLOCK_BYTES = 1 << 16


class LogFile:
    """The log of one process and its older parts."""

    def __init__(self, path: Path, *, limit_bytes: int = LIMIT_BYTES, keep: int = KEEP) -> None:
        self.path = path
        self._limit_bytes = limit_bytes
        self._keep = keep

    def open(self) -> int:
        """A descriptor that always writes at the end, wherever that is by then."""
        try:
            return os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Broken(f"{self.path} cannot be written ({error.strerror}): make the folder yours.") from error

    def say(self, line: str) -> None:
        """Adds a line of the supervisor's to the child's own."""
        descriptor = self.open()
        try:
            os.write(descriptor, f"{line}\n".encode())
        finally:
            os.close(descriptor)

    def rotate_if_large(self) -> bool:
        """Moves what there is to the older parts when it is more than the limit; says whether it did."""
        if not self.path.exists() or self.path.stat().st_size <= self._limit_bytes:
            return False
        for number in range(self._keep - 1, 0, -1):
            if self.part(number).exists():
                self.part(number).replace(self.part(number + 1))
        with self.path.open("rb") as source, self.part(1).open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
            os.truncate(self.path, 0)
        return True

    def part(self, number: int) -> Path:
        """The older part with that number; 1 is the newest."""
        return self.path.with_name(f"{self.path.name}.{number}")

    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def last_lines(self, count: int, *, end: int | None = None) -> list[str]:
        """The newest lines before `end`, oldest of them first; a file with too few is filled up from the older part."""
        lines = tail(self.path, count, end)
        return (tail(self.part(1), count - len(lines)) if len(lines) < count else []) + lines

    def follow(self, position: int, wait: Callable[[], None]) -> Iterator[str]:
        """Text as it is written from that place on, through rotations; `wait` is called when there is none."""
        while True:
            size = self.size()
            if size < position:
                position = 0
            if size == position:
                wait()
                continue
            with self.path.open("rb") as file:
                file.seek(position)
                data = file.read(size - position)
            position += len(data)
            yield data.decode("utf-8", errors="replace")


def tail(path: Path, count: int, end: int | None = None) -> list[str]:
    """The last lines of a file, or of what stands before `end`, read backwards; none when there is no file."""
    if count <= 0 or not path.exists():
        return []
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        position = size if end is None else min(size, end)
        data = b""
        while position > 0 and data.count(b"\n") <= count:
            step = min(TAIL_BLOCK_BYTES, position)
            position -= step
            file.seek(position)
            data = file.read(step) + data
    text = data.decode("utf-8", errors="replace")
    return text.removesuffix("\n").split("\n")[-count:] if text else []


def stamp() -> str:
    """The time now, as it stands at the head of a supervisor's line."""
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")
