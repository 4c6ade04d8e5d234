"""`tidemark status` as people and programs read it."""

import json
from pathlib import Path

import pytest

from ops import cli
from ops.status import as_json, as_table, partitions
from runtime.embedded.runfiles import State
from runtime.embedded.status import Followed, Row

FOLLOWED = (Followed("executions", 0, 120, 0), Followed("executions", 1, 57, 3))
ROWS = [
    Row("supervisor", 7, State.READY, None),
    Row("kafka", None, State.NOT_READY, "127.0.0.1:9092"),
    Row("wallet", 12, State.READY, "127.0.0.1:20001", 3, FOLLOWED, 2),
]


def test_the_array_has_exactly_these_fields() -> None:
    assert json.loads(as_json(ROWS)) == [
        {
            "name": "supervisor", "pid": 7, "state": "ready", "address": None, "lag": None, "partitions": [],
            "restarts": 0,
        },
        {
            "name": "kafka", "pid": None, "state": "not ready", "address": "127.0.0.1:9092", "lag": None,
            "partitions": [], "restarts": 0,
        },
        {
            "name": "wallet", "pid": 12, "state": "ready", "address": "127.0.0.1:20001", "lag": 3,
            "partitions": [
                {"topic": "executions", "partition": 0, "next": 120, "lag": 0},
                {"topic": "executions", "partition": 1, "next": 57, "lag": 3},
            ],
            "restarts": 2,
        },
    ]  # fmt: skip


def test_the_partitions_are_shown_when_they_are_asked_for() -> None:
    assert partitions(ROWS).splitlines() == [
        "NAME    TOPIC       PARTITION  NEXT  LAG",
        "wallet  executions  0          120   0",
        "wallet  executions  1          57    3",
    ]


def test_the_table_is_aligned() -> None:
    assert as_table(ROWS).splitlines() == [
        "NAME        PID  STATE      RESTARTS  ADDRESS          LAG",
        "supervisor  7    ready      0         -                -",
        "kafka       -    not ready  0         127.0.0.1:9092   -",
        "wallet      12   ready      2         127.0.0.1:20001  3",
    ]


def test_nothing_running_is_shown_and_is_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TIDEMARK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TIDEMARK_PORT", "1")
    assert cli.main(["status", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in found][:4] == ["supervisor", "kafka", "postgres", "valkey"]
    assert {row["state"] for row in found} == {"down"}
