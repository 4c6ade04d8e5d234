"""The locks pin every package with its hashes, name no host, and are what pyproject.toml asks for."""

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from runtime.settings import PROJECT_ROOT

PROJECT = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text(encoding="utf-8"))
RUNS = PROJECT["project"]["dependencies"]
EXTRAS = PROJECT["project"]["optional-dependencies"]
ASKED = {
    "requirements.lock": RUNS,
    "requirements-ccxt.lock": RUNS + EXTRAS["ccxt"],
    "requirements-dev.lock": RUNS + EXTRAS["ccxt"] + EXTRAS["dev"],
    "requirements-uv.lock": PROJECT["dependency-groups"]["install"],
}
PIN = re.compile(r"([a-z0-9-]+)==([^ ;]+)(?: ; [^\\]+?)? \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)")


def text(lock: str) -> str:
    return (PROJECT_ROOT / lock).read_text(encoding="utf-8")


def pins(lock: str) -> dict[str, str]:
    return {name: version for name, version, _ in PIN.findall(text(lock))}


@pytest.mark.parametrize("lock", ASKED)
def test_a_lock_is_nothing_but_pins_with_hashes_and_so_names_no_host(lock: str) -> None:
    assert PIN.sub("", text(lock)) == ""
    assert "/" not in text(lock)


@pytest.mark.parametrize("lock", ASKED)
def test_a_lock_holds_what_the_project_asks_for(lock: str) -> None:
    found = pins(lock)
    for line in ASKED[lock]:
        asked = Requirement(line)
        assert asked.specifier.contains(found[canonicalize_name(asked.name)]), line


@pytest.mark.parametrize(("inner", "outer"), [("", "-ccxt"), ("-ccxt", "-dev")])
def test_tests_run_on_the_very_versions_that_run(inner: str, outer: str) -> None:
    running = pins(f"requirements{inner}.lock")
    assert {name: version for name, version in pins(f"requirements{outer}.lock").items() if name in running} == running
