"""The containers, as far as they can be checked without an engine: the files are valid and agree with the code."""

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from runtime.embedded.processes import ROWS, exists
from runtime.settings import PROJECT_ROOT, load, read_config

TOOLS = Path(sys.executable).parent
EXAMPLE = PROJECT_ROOT / "config.example.env"
# Given to a process by whoever starts it, never by a file that all of them read.
NOT_IN_A_FILE = {"TIDEMARK_CONFIG", "TIDEMARK_SITE_PORT"}
OF_THE_SEEDS = {
    *("SECRET_KEY", "JWT_SECRET_KEY", "DEBUG", "LOGLEVEL", "ALLOWED_HOSTS", "REDIS_HOST", "REDIS_PORT"),
    *("POSTGRES_DB", "POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_HOST", "POSTGRES_PORT"),
}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return YAML(typ="safe").load(PROJECT_ROOT / "docker-compose.yml")  # type: ignore[no-any-return]  # a tree of yaml


def run(*argv: str | Path, environ: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, env=environ, capture_output=True, text=True, check=False)


def test_the_compose_file_keeps_the_specification() -> None:
    compose_file = PROJECT_ROOT / "docker-compose.yml"
    done = run(TOOLS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", compose_file)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dockerfile_is_clean() -> None:
    done = run(TOOLS / "hadolint", PROJECT_ROOT / "Dockerfile")
    assert (done.returncode, done.stdout) == (0, "")


def test_every_process_that_exists_is_a_service_and_every_service_exists(compose: dict[str, Any]) -> None:
    present = {row.name: ["python", "-m", row.module] for row in ROWS if exists(row)}
    services = {name: body["command"] for name, body in compose["services"].items() if body.get("image") == "tidemark"}
    assert services.pop("setup")[:2] == ["sh", "-c"]
    assert services == present


def test_agents_can_be_started_many_times(compose: dict[str, Any]) -> None:
    agents = [body for name, body in compose["services"].items() if body.get("image") == "tidemark" and name != "api"]
    assert [(body.get("container_name"), body.get("ports")) for body in agents] == [(None, None)] * len(agents)


def test_only_the_machine_itself_reaches_the_api(compose: dict[str, Any]) -> None:
    published = {name: body["ports"] for name, body in compose["services"].items() if "ports" in body}
    assert published == {"api": ["127.0.0.1:${TIDEMARK_PORT:-8000}:8000"]}


def test_every_service_is_checked_for_health(compose: dict[str, Any]) -> None:
    assert [name for name, body in compose["services"].items() if "test" not in body["healthcheck"]] == ["setup"]


def test_data_is_kept_in_volumes(compose: dict[str, Any]) -> None:
    assert {name: body["volumes"] for name, body in compose["services"].items() if "volumes" in body} == {
        "postgres": ["postgres:/var/lib/postgresql"],
        "valkey": ["valkey:/data"],
        "kafka": ["kafka:/var/lib/kafka/data"],
        "exchange": ["exchange:/var/lib/tidemark"],
    }


def test_the_verbs_that_prepare_the_containers_exist(compose: dict[str, Any]) -> None:
    verbs = re.findall(r"tidemark (\w+)", compose["services"]["setup"]["command"][2])
    assert verbs == ["migrate", "topics", "seed"]
    for verb in verbs:
        assert run(TOOLS / "tidemark", verb, "--help").returncode == 0, verb


def names_in_the_settings() -> set[str]:
    source = (PROJECT_ROOT / "runtime" / "settings.py").read_text(encoding="utf-8")
    return set(re.findall(r'\bget\("([A-Z][A-Z0-9_]+)"', source)) - {"HOME", "XDG_DATA_HOME"}


def names_in_the_example() -> list[str]:
    return re.findall(r"^(?:# )?([A-Z][A-Z0-9_]+)=", EXAMPLE.read_text(encoding="utf-8"), re.MULTILINE)


def test_the_example_names_every_setting_once_and_nothing_else() -> None:
    assert sorted(names_in_the_example()) == sorted(names_in_the_settings() - NOT_IN_A_FILE)
    assert set() == OF_THE_SEEDS - set(names_in_the_example())


def test_every_setting_of_the_example_has_a_comment_of_its_own() -> None:
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    settings = [number for number, line in enumerate(lines) if re.match(r"(# )?[A-Z][A-Z0-9_]+=", line)]
    assert settings
    for number in settings:
        assert re.match(r"# [A-Z].*[^=]$", lines[number - 1]), lines[number]
        assert number - 1 not in settings, lines[number]


def test_the_example_as_it_is_changes_nothing(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path)}
    assert load(environ, EXAMPLE) == load(environ, tmp_path / "none")


def test_the_example_with_every_line_switched_on_shows_the_defaults(tmp_path: Path) -> None:
    switched = re.sub(r"^# (?=[A-Z][A-Z0-9_]+=)", "", EXAMPLE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    (tmp_path / "config.env").write_text(switched, encoding="utf-8")
    environ = {"HOME": "/home/somebody", "POSTGRES_HOST": "x", "REDIS_HOST": "x", "KAFKA_BOOTSTRAP": "x:1"}
    secrets = {name: "x" for name in names_in_the_example() if "_KEY" in name or "_PASSWORD" in name}
    shown = load(environ | secrets | {"TIDEMARK_HOME": "/h"}, tmp_path / "config.env")
    assert shown == load(environ | secrets | {"TIDEMARK_HOME": "/h"}, tmp_path / "none")


def prepare(copy: Path) -> subprocess.CompletedProcess[str]:
    return run(copy / "bin" / "prepare-compose")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A folder with a space in its name, holding what prepare-compose needs."""
    place = tmp_path / "a clone"
    (place / "bin").mkdir(parents=True)
    for tool in ("prepare-compose", "compose"):
        shutil.copy(PROJECT_ROOT / "bin" / tool, place / "bin" / tool)
    (place / "config.example.env").write_bytes(EXAMPLE.read_bytes())
    return place


def test_prepare_compose_writes_random_secrets_that_only_the_owner_reads(copy: Path) -> None:
    assert prepare(copy).returncode == 0
    first = read_config(copy / "config.env")
    assert stat.S_IMODE((copy / "config.env").stat().st_mode) == 0o600
    secrets = ("SECRET_KEY", "JWT_SECRET_KEY", "POSTGRES_PASSWORD", "REDIS_PASSWORD")
    assert all(re.fullmatch("[0-9a-f]{64}", first[name]) for name in secrets)
    assert len({first[name] for name in secrets}) == len(secrets)
    assert not {"POSTGRES_HOST", "REDIS_HOST", "KAFKA_BOOTSTRAP"} & set(first)
    (copy / "config.env").unlink()
    prepare(copy)
    assert read_config(copy / "config.env")["SECRET_KEY"] != first["SECRET_KEY"]


def test_prepare_compose_leaves_a_config_that_is_there_as_it_is(copy: Path) -> None:
    (copy / "config.env").write_text("DEBUG=true\n", encoding="utf-8")
    assert prepare(copy).returncode == 0
    assert (copy / "config.env").read_text(encoding="utf-8") == "DEBUG=true\n"


def test_a_prepared_config_starts_outside_the_sandbox(copy: Path) -> None:
    prepare(copy)
    assert load({"HOME": "/h", "TIDEMARK_SANDBOX": "false"}, copy / "config.env").sandbox is False


def stub_docker(folder: Path, script: str) -> dict[str, str]:
    folder.mkdir()
    (folder / "docker").write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    (folder / "docker").chmod(0o755)
    return {"PATH": f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin"}


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ("exit 1", "The docker here has no compose plugin"),
        ('[ "$1" = compose ]', "Docker's engine does not answer"),
    ],
)
def test_without_an_engine_one_sentence_says_what_is_missing_and_no_config_is_made(
    tmp_path: Path, copy: Path, script: str, sentence: str
) -> None:
    environ = stub_docker(tmp_path / "tools", script)
    done = run(copy / "bin" / "compose", "up", environ=environ)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith(sentence)
    assert not (copy / "config.env").exists()


def test_with_an_engine_the_arguments_reach_it_and_its_config_is_there(tmp_path: Path, copy: Path) -> None:
    environ = stub_docker(tmp_path / "tools", 'case "$*" in "compose version" | info) ;; *) echo "$@" ;; esac')
    done = run(copy / "bin" / "compose", "up", "--detach", environ=environ)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "compose up --detach")
    assert (copy / "config.env").exists()
