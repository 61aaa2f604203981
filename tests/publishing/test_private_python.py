"""What is not documented of Python, and the end of a process depends on."""

import subprocess
import sys

PROGRAM = """
import multiprocessing, multiprocessing.util

def work():
    multiprocessing.util.Finalize(None, print, ("finalizer",), {"flush": True}, exitpriority=0)

child = multiprocessing.get_context("fork").Process(target=work)
child.start()
child.join()
"""


def test_finalizer_is_called_at_the_end_of_a_child() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, check=True)
    assert done.stdout == b"finalizer\n"
