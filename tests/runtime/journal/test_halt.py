"""A halt is the end of a process, so each is seen in one of its own."""

import subprocess
import sys

from runtime.journal.halt import EXIT_CODE

DRIVER = """
import asyncio
from runtime.journal.halt import beside

async def work():
    {work}

async def main():
    task = beside(work(), "the counter")
    {then}
    await asyncio.gather(task, return_exceptions=True)
    await asyncio.sleep(0)
    print("goes on")

asyncio.run(main())
"""


def ended(work, then="pass"):
    driver = DRIVER.format(work=work, then=then)
    return subprocess.run([sys.executable, "-c", driver], capture_output=True, text=True, check=False, timeout=60)


def test_work_beside_the_lanes_that_fails_takes_the_process_with_it():
    done = ended("raise ArithmeticError('lost count')")
    assert (done.returncode, done.stdout) == (EXIT_CODE, "")
    assert "HALT: the counter failed: ArithmeticError('lost count')" in done.stderr


def test_work_beside_the_lanes_that_is_cancelled_or_done_is_no_halt():
    assert ended("await asyncio.sleep(60)", "await asyncio.sleep(0); task.cancel()").stdout == "goes on\n"
    assert ended("pass").stdout == "goes on\n"
