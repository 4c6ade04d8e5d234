"""The rules of the house that a machine can check: purity, no floats near money, everything in its place."""

import ast
import re
import statistics
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.documents import documents, stale
from schemas.topics import CHANGELOGS, TOPICS

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("agents", "api", "ledger", "ops", "runtime", "schemas")
FOLDERS = {*PACKAGES, ".ci", "bin", "docs", "tests"}
SOURCES = sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))

EDGES = {"agent", "store", "app", "bench", "desk", "connection", "__main__"}
EDGE_FOLDERS = {"bench", "connectors"}
PURE_LEDGER = re.compile(r"postings|settlement|decide|\w+_rules")
PURE_MODULES = {
    "__future__", "abc", "binascii", "bisect", "collections", "copy", "dataclasses", "datetime", "decimal", "enum",
    "fractions", "functools", "hashlib", "heapq", "itertools", "json", "msgspec", "operator", "pydantic",
    "pydantic_core", "re", "string", "struct", "types", "typing", "zlib",
}  # fmt: skip
CLOCKS = {"now", "utcnow", "today", "time", "monotonic", "perf_counter"}
REGISTRIES = (  # in parts, or this file would be the first to break the rule
    ("pypi", "org"),
    ("files", "pythonhosted", "org"),
    ("repo1", "maven", "org"),
    ("repo", "maven", "apache", "org"),
    ("registry", "npmjs", "org"),
    ("proxy", "golang", "org"),
)
OUTERMOST_LOOPS = {
    "api/door.py",
    "ops/shell.py",
    "runtime/journal/lane.py",
    "runtime/journal/process.py",
    "runtime/journal/worker.py",
}
"""Files that may catch Exception, because nothing of ours is above them: they answer, show it, or halt the process."""
BATCHES = {"api/batching.py", "ledger/hold_batch.py"}
"""Files that catch whatever stopped a batch in order to hand it to every caller who waits for the batch."""


def name(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def is_pure(file: Path) -> bool:
    parts = file.relative_to(ROOT).parts
    if parts[0] == "schemas":
        return True
    if parts[0] == "agents":
        return file.stem not in EDGES and not EDGE_FOLDERS & set(parts)
    return parts[0] == "ledger" and PURE_LEDGER.fullmatch(file.stem) is not None


EXCEPTION = re.compile(r"#\s*(type: ignore|noqa)")
REASONED = re.compile(r"#\s*(type: ignore\[[\w, -]+\]|noqa: [A-Z0-9, ]+?)\s+(#|--)\s*\w+")
PURE = [file for file in SOURCES if is_pure(file)]


def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def imported(module: ast.Module) -> Iterator[str]:
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module or ""


def module_file(module: str) -> Path:
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def tracked() -> list[Path]:
    """Every file of the repository, committed or about to be."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("there is no repository here to ask")
    return [ROOT / path for path in listed.stdout.split("\0") if path and (ROOT / path).is_file()]


def nodes(files: list[Path]) -> Iterator[tuple[str, ast.AST]]:
    """Every node of the files, with the place to look at."""
    for file in files:
        for node in ast.walk(tree(file)):
            yield f"{name(file)}:{getattr(node, 'lineno', 0)}", node


def test_a_pure_file_imports_nothing_impure():
    imports = [(name(file), module) for file in PURE for module in imported(tree(file))]
    ours = [(file, module) for file, module in imports if module.split(".")[0] in PACKAGES]
    others = [(file, module) for file, module in imports if module.split(".")[0] not in PACKAGES]
    assert [(file, module) for file, module in ours if not is_pure(module_file(module))] == []
    assert [(file, module) for file, module in others if module.split(".")[0] not in PURE_MODULES] == []


def test_a_pure_file_reads_no_clock_and_awaits_nothing():
    waits = (ast.Await, ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith)
    assert [place for place, node in nodes(PURE) if isinstance(node, waits)] == []
    assert [place for place, node in nodes(PURE) if isinstance(node, ast.Attribute) and node.attr in CLOCKS] == []


def test_the_engine_knows_the_words_and_nothing_else():
    files = [file for file in PURE if name(file).startswith("agents/matching/engine/")]
    assert files
    outside = {module for file in files for module in imported(tree(file)) if module.split(".")[0] in PACKAGES}
    assert {module for module in outside if not module.startswith(("agents.matching.engine", "schemas"))} == set()


def test_no_float_is_near_money():
    """Neither a float written down, nor the word for it, nor the division that makes one."""
    floats = [place for place, node in nodes(PURE) if isinstance(node, ast.Constant) and isinstance(node.value, float)]
    divisions = [place for place, node in nodes(PURE) if isinstance(getattr(node, "op", None), ast.Div)]
    words = [place for place, node in nodes(PURE) if isinstance(node, ast.Name) and node.id == "float"]
    assert floats + divisions == []
    assert [place for place in words if not place.startswith("schemas/money.py:")] == []  # which refuses them


def test_no_column_or_statement_of_the_books_is_a_float():
    for file in (ROOT / "ledger").rglob("*.sql"):
        code = re.sub(r"--.*", "", file.read_text(encoding="utf-8")).lower()
        assert not re.search(r"\b(real|float|float4|float8|double precision)\b", code), name(file)


def test_only_an_outermost_loop_keeps_what_it_did_not_expect():
    files = [file for file in SOURCES if name(file) not in OUTERMOST_LOOPS | BATCHES]
    handlers = [(place, node) for place, node in nodes(files) if isinstance(node, ast.ExceptHandler)]
    assert [place for place, handler in handlers if catches_everything(handler) and not raises_again(handler)] == []


def test_the_exceptions_granted_here_are_still_needed():
    for path in OUTERMOST_LOOPS | BATCHES:
        handlers = [node for _, node in nodes([ROOT / path]) if isinstance(node, ast.ExceptHandler)]
        assert any(catches_everything(handler) for handler in handlers), path


def catches_everything(handler: ast.ExceptHandler) -> bool:
    return handler.type is None or ast.unparse(handler.type) in ("Exception", "BaseException")


def raises_again(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def test_nobody_else_names_a_topic():
    names = {topic.name for topic in (*TOPICS, *CHANGELOGS)} - {"trades", "executions"}  # which are words too
    files = [file for file in SOURCES if name(file) != "schemas/topics.py"]
    said = [(place, node.value) for place, node in nodes(files) if isinstance(node, ast.Constant)]
    assert [place for place, value in said if isinstance(value, str) and value in names] == []


def test_a_module_says_what_lives_in_it_and_is_named_for_that():
    written = [file for file in SOURCES if file.name != "__init__.py" or file.read_text(encoding="utf-8").strip()]
    assert [name(file) for file in written if not ast.get_docstring(tree(file))] == []
    vague = re.compile(r"utils?|helpers?|common|base|manager")
    assert [name(file) for file in SOURCES if vague.fullmatch(file.stem)] == []


def test_functions_and_files_are_small():
    lengths = []
    for file in SOURCES:
        assert len(file.read_text(encoding="utf-8").splitlines()) <= 450, name(file)
        functions = [node for node in ast.walk(tree(file)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        lengths += [(node.end_lineno or node.lineno) - node.lineno + 1 for node in functions]
    assert statistics.quantiles(lengths, n=10)[-1] <= 35


def lines(files: list[Path]) -> Iterator[tuple[str, str]]:
    for file in files:
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            yield f"{name(file)}:{number}", line


def test_an_exception_to_a_rule_gives_its_reason():
    assert [place for place, line in lines(SOURCES) if EXCEPTION.search(line) and not REASONED.search(line)] == []


def test_nothing_is_left_to_do():
    promise = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
    assert [place for place, line in lines(SOURCES) if promise.search(line)] == []


def test_every_folder_is_in_its_place():
    assert {path.relative_to(ROOT).parts[0] for path in tracked() if path.parent != ROOT} <= FOLDERS
    assert [name(path) for path in tracked() if path.name == "__init__.py" and "tests" in path.parts] == []


def test_tests_are_in_folders_that_mirror_the_sources():
    folders = {file.parent.relative_to(ROOT / "tests") for file in (ROOT / "tests").rglob("test_*.py")}
    whole = {("install",), ("simulation",), ("drills",)}  # the install, all pure rooms together, an operator's day
    mirrored = [folder for folder in folders if folder.parts[:1] not in whole]
    assert [folder for folder in mirrored if not (ROOT / folder).is_dir()] == []


def test_generated_documents_match_the_code():
    assert stale(documents()) == [], "run `tidemark documents`"


def test_locks_name_no_host():
    locks = [path for path in tracked() if path.suffix == ".lock"]
    assert {path.name for path in locks} >= {"requirements.lock", "requirements-dev.lock"}
    for path in locks:
        text = path.read_text(encoding="utf-8")
        assert "://" not in text, name(path)
        assert "--index" not in text, name(path)
        assert "--find-links" not in text, name(path)
    assert not {path.name for path in tracked()} & {"uv.lock", "pylock.toml", "package-lock.json", "Pipfile.lock"}


def test_no_file_names_a_registry_or_a_path_of_this_machine():
    hosts = [".".join(parts) for parts in REGISTRIES]
    paths = [f"{ROOT}/"] if len(ROOT.parts) > 2 else []
    forbidden = [*hosts, *paths]
    for path in tracked():
        text = path.read_bytes().decode("utf-8", errors="replace")
        assert [word for word in forbidden if word in text] == [], name(path)
