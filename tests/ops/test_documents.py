"""`tidemark documents` writes what differs, and with --check only says so."""

import argparse
from pathlib import Path

import pytest

from ops import documents


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(documents, "PROJECT_ROOT", tmp_path)
    monkeypatch.setattr(documents, "documents", lambda: {Path("A.md"): "a\n", Path("B.md"): "b\n"})
    (tmp_path / "A.md").write_text("a\n")
    return tmp_path


def test_what_differs_is_written(folder, capsys):
    assert documents.run(argparse.Namespace(check=False)) == 0
    assert capsys.readouterr().out == "B.md\n"
    assert (folder / "B.md").read_text() == "b\n"
    assert documents.run(argparse.Namespace(check=True)) == 0


def test_a_check_writes_nothing_and_fails(folder, capsys):
    assert documents.run(argparse.Namespace(check=True)) == 1
    assert capsys.readouterr().err == "tidemark: B.md does not match the code: run `tidemark documents`.\n"
    assert not (folder / "B.md").exists()


def test_every_document_is_in_docs():
    assert {path.parts[0] for path in documents.documents()} == {"docs"}
