"""The table of metrics is complete, and every row follows the naming rules."""

import ast
import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from runtime.settings import PROJECT_ROOT
from runtime.telemetry import metrics


@pytest.mark.parametrize("metric", metrics.TABLE, ids=lambda metric: metric.name)
def test_a_row_is_named_as_prometheus_expects(metric):
    assert re.fullmatch(r"tidemark_[a-z0-9_]+", metric.name)
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert metric.help.endswith(".")
    assert not {"user", "order", "order_id", "command_id"} & set(metric.labels)


def test_the_table_lists_every_metric_of_ours():
    ours = {family.name for family in metrics.registry.collect() if family.name.startswith("tidemark_")}
    assert ours == {metric.name.removesuffix("_total") for metric in metrics.TABLE}
    assert len({metric.name for metric in metrics.TABLE}) == len(metrics.TABLE)


def test_no_metric_is_only_a_name():
    """Each is set, counted or observed somewhere."""
    kinds = (metrics.Counter, metrics.Gauge, metrics.Histogram)
    names = {name for name, value in vars(metrics).items() if isinstance(value, kinds)}
    used: set[str] = set()
    for package in ("agents", "api", "ledger", "ops", "runtime"):
        for file in (PROJECT_ROOT / package).rglob("*.py"):
            nodes = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
            used |= {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    assert names - used == set()


def test_the_exposition_is_readable_and_has_the_process_in_it():
    names = {family.name for family in text_string_to_metric_families(metrics.exposition().decode())}
    assert {"process_cpu_seconds", "process_resident_memory_bytes", "python_info", "tidemark_log_lines"} <= names
