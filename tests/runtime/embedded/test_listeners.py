"""Who listens where."""

import os
import socket
import sys
from pathlib import Path

import pytest

from runtime.embedded import listeners
from runtime.embedded.home import free_port
from runtime.embedded.listeners import listener


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's tables are Linux's")
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_the_listener_has_a_name_and_a_number(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as server:
        found = listener(server.getsockname()[1])
    assert found is not None
    assert found.endswith(f" (process id {os.getpid()})")


def test_a_free_port_has_no_listener() -> None:
    assert listener(free_port(set())) is None


def test_where_there_is_no_kernel_table_lsof_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tools := tmp_path / "bin").mkdir()
    (tools / "lsof").write_text(f"#!/bin/sh\necho {os.getpid()}\n")
    (tools / "lsof").chmod(0o755)
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    found = listeners.listener(1)
    assert found is not None
    assert found.endswith(f"(process id {os.getpid()})")
    (tools / "lsof").unlink()
    monkeypatch.setenv("PATH", str(tools))
    assert listeners.listener(1) is None
