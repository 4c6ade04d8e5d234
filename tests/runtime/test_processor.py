"""Processor time is charged to the process that was named, with what came from it."""

import os
import subprocess
import sys

import pytest

from runtime import processor

pytestmark = pytest.mark.skipif(not processor.is_known(), reason="only Linux tells processor time finely enough")
BUSY = "import time\nwhile time.process_time() < 0.3: pass\nprint(flush=True)\ninput()"
PARENT = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {BUSY!r}])"


@pytest.mark.parametrize("program", [BUSY, PARENT], ids=["itself", "its child"])
def test_what_a_process_used_is_charged_to_it_and_not_to_its_parent(program):
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as busy:
        groups = {"busy": [busy.pid], "other": [os.getpid()]}
        before = processor.used_s(groups)
        assert busy.stdout.readline() == b"\n"
        after = processor.used_s(groups)
        busy.communicate(b"\n")
    assert before["busy"] < after["busy"]
    assert 0.25 < after["busy"] < 5
    assert after["other"] - before["other"] < after["busy"]


def test_what_has_ended_has_used_nothing():
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    assert processor.used_s({"ended": [ended.pid]}) == {"ended": 0.0}
