"""A table in memory: rows by their key, checked when they are written, and put back when the transaction fails."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, Generic, TypeVar

from tests.ledger.memory.rows import CHECKS, MOST, Check

R = TypeVar("R")
Undo = Callable[[], None]


class Constraint(Exception):  # noqa: N818  -- named for what it is in the schema
    """What a constraint of the schema says; its name is the message."""


class OutOfRange(Exception):  # noqa: N818  -- PostgreSQL's name for it
    """A number that no bigint can be."""


class Table(Generic[R]):
    """Rows are never changed, only replaced."""

    def __init__(self, name: str, key: Callable[[R], Any], undo: list[Undo]) -> None:
        self.name = name
        self._key = key
        self._rows: dict[Any, R] = {}
        self._undo = undo
        self._checks: Mapping[str, Check] = CHECKS[name]

    def add(self, row: R) -> R:
        """A row that is not there yet."""
        if self._key(row) in self._rows:
            raise Constraint(f"{self.name}: {self._key(row)} is there")
        return self.put(row)

    def put(self, row: R) -> R:
        self._check(row)
        key = self._key(row)
        before = self._rows.get(key)
        self._undo.append(lambda: self._restore(key, before))
        self._rows[key] = row
        return row

    def remove(self, key: Any) -> None:
        before = self._rows.pop(key)
        self._undo.append(lambda: self._restore(key, before))

    def _restore(self, key: Any, before: R | None) -> None:
        if before is None:
            del self._rows[key]
        else:
            self._rows[key] = before

    def _check(self, row: R) -> None:
        for column in type(row).__slots__:  # type: ignore[attr-defined]  # every row is a dataclass with slots
            value = getattr(row, column)
            if isinstance(value, int) and not -MOST <= value <= MOST:
                raise OutOfRange(f"{self.name}.{column} is {value}")
        for name, holds in self._checks.items():
            if not holds(row):
                raise Constraint(f"{name}: {row}")

    def get(self, key: Any) -> R | None:
        return self._rows.get(key)

    def __getitem__(self, key: Any) -> R:
        return self._rows[key]

    def __contains__(self, key: object) -> bool:
        return key in self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[R]:
        return iter(self._rows.values())

    def after(self, count: int) -> Iterator[R]:
        """The rows that came after so many."""
        return islice(self._rows.values(), count, None)


@contextlib.contextmanager
def all_or_nothing(undo: list[Undo]) -> Iterator[None]:
    """A transaction: what fails inside never was."""
    undo.clear()
    try:
        yield
    except BaseException:
        for step in reversed(undo):
            step()
        raise
    finally:
        undo.clear()
