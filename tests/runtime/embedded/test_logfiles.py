"""Logs that their writers append to, that grow to a limit, and that can be followed through all of it."""

import os
from pathlib import Path

import pytest

from runtime.embedded.logfiles import LogFile, tail
from runtime.embedded.program import Broken


@pytest.fixture
def log_file(tmp_path: Path) -> LogFile:
    return LogFile(tmp_path / "matching.log", limit_bytes=100, keep=2)


def test_a_small_file_stays(log_file: LogFile) -> None:
    log_file.say("one")
    assert (log_file.rotate_if_large(), log_file.path.read_text()) == (False, "one\n")


def test_a_large_file_moves_to_the_older_parts_and_its_writer_goes_on(log_file: LogFile) -> None:
    writer = log_file.open()
    for number in range(4):
        os.write(writer, f"{number} {'x' * 120}\n".encode())
        assert log_file.rotate_if_large() is True
    os.write(writer, b"and on\n")
    os.close(writer)
    texts = [path.read_text()[:6] for path in (log_file.path, log_file.part(1), log_file.part(2))]
    assert texts == ["and on", "3 xxxx", "2 xxxx"]
    assert not log_file.part(3).exists()


def test_a_log_that_was_never_written_is_not_rotated(log_file: LogFile) -> None:
    assert log_file.rotate_if_large() is False


def test_the_last_lines_reach_into_the_older_part(log_file: LogFile) -> None:
    log_file.part(1).write_text("a\nb\nc\n")
    log_file.path.write_text("d\ne\n")
    assert [log_file.last_lines(count) for count in (0, 1, 3, 9)] == [
        [],
        ["e"],
        ["c", "d", "e"],
        ["a", "b", "c", "d", "e"],
    ]


def test_lines_written_meanwhile_are_left_to_the_one_who_follows(log_file: LogFile) -> None:
    log_file.path.write_text("a\nb\n")
    end = log_file.size()
    log_file.say("c")
    assert log_file.last_lines(9, end=end) == ["a", "b"]
    assert next(log_file.follow(end, lambda: None)) == "c\n"


def test_a_tail_longer_than_a_block_is_whole(tmp_path: Path) -> None:
    lines = [f"{number:06} {'x' * 90}" for number in range(3000)]
    (tmp_path / "log").write_text("\n".join(lines) + "\n")
    assert tail(tmp_path / "log", 2500) == lines[-2500:]


def test_a_tail_keeps_what_is_no_text_and_strange_line_ends(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"one\x0btwo\xe2\x80\xa8three\n\xff\n")
    assert tail(tmp_path / "log", 5) == ["one\x0btwo\u2028three", "\ufffd"]


def test_following_goes_on_after_a_rotation(log_file: LogFile) -> None:
    log_file.say("old")
    writes = iter([lambda: log_file.say("x" * 200), log_file.rotate_if_large, lambda: log_file.say("new")])
    follower = log_file.follow(log_file.size(), lambda: next(writes)())
    assert [next(follower), next(follower)] == ["x" * 200 + "\n", "new\n"]


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(Broken, match=r"gone/x.log cannot be written \(No such file or directory\)"):
        LogFile(tmp_path / "gone" / "x.log").open()
