import json
import re
import zlib
from pathlib import Path

from schemas.checksum import checksum

PAGE = Path(__file__).resolve().parents[2] / "docs" / "MARKETDATA.md"


def test_the_examples_of_the_page_are_right():
    text = PAGE.read_text(encoding="utf-8")
    vectors = [json.loads(block) for block in re.findall(r"```json\n(\{\"bids\".*?)\n```", text, re.DOTALL)]
    assert len(vectors) >= 3
    for vector in vectors:
        assert checksum(vector["bids"], vector["asks"]) == vector["checksum"]
        assert zlib.crc32(vector["text"].encode()) == vector["checksum"]


def test_only_the_best_25_levels_of_a_side_count():
    levels = [(str(200 - number), "1") for number in range(40)]
    assert checksum(levels, []) == checksum(levels[:25], [])
    assert checksum(levels, []) != checksum(levels[:24], [])
    assert checksum([], levels) == checksum([], levels[:25])
