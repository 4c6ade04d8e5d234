"""Stories: what each order type and each rule does, as lines that anyone can read and argue with.

UPDATE_STORIES=1 rewrites the indented lines, and the reviewer reads the diff. Where CI is set nothing is rewritten.
"""

import os
from pathlib import Path

import pytest

from tests.agents.matching.engine.story import told

STORIES = sorted(Path(__file__).with_name("stories").glob("*.story"))
UPDATE = os.environ.get("UPDATE_STORIES") == "1"


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_the_story_is_told_as_it_is_written(path):
    written = path.read_text()
    now = told(written)
    if UPDATE and now != written:
        assert not os.environ.get("CI"), "CI never accepts an update: rewrite the story where its diff is read"
        path.write_text(now)
    else:
        assert now == written


def test_there_are_stories():
    assert len(STORIES) >= 12
