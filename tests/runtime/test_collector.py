import subprocess
import sys


def test_a_process_that_spares_its_collector_keeps_what_it_has_and_looks_seldom():
    """In a process of its own, since it holds for good."""
    asked = (
        "import gc\n"
        "from runtime import collector\n"
        "collector.spare()\n"
        "print(gc.get_freeze_count() > 1000, gc.get_threshold()[0] == collector.YOUNG, gc.isenabled())\n"
    )
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout == "True True True\n"
