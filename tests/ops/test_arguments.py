import argparse

import pytest

from ops.arguments import whole


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("007", 7), ("9" * 18, 10**18 - 1)])
def test_whole_numbers_are_read(text, number):
    assert whole(text) == number


@pytest.mark.parametrize("text", ["-1", "", "1.0", "1e3", "abc", "²", "9" * 19])
def test_everything_else_is_refused_in_words(text):
    with pytest.raises(argparse.ArgumentTypeError, match="write a whole number from 0 on"):
        whole(text)
