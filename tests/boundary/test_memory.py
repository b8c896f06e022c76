from __future__ import annotations

import subprocess
import sys

# As glibc has it by itself: after 8 MB were freed, the next 4 MB come from the heap, and stay there below what follows.
FREE_BELOW_ANOTHER = """
import resource
from haz import _core

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()

_core.give_large_blocks_back()
larger = b"x" * (8 << 20)
del larger
block = b"x" * (4 << 20)
above = b"x" * 100_000
before = resident()
del block
print(before - resident())
"""


def test_a_large_block_goes_back_when_it_is_freed_also_after_a_larger_one() -> None:
    answer = subprocess.run([sys.executable, "-c", FREE_BELOW_ANOTHER], check=True, capture_output=True, text=True)
    assert int(answer.stdout) > 3 << 20, "all of it but for what Python itself has taken meanwhile"
