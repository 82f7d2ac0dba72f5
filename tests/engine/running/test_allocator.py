from __future__ import annotations

import subprocess
import sys

import pytest

#: Prints how few pages, in the best of several turns, the system had to hand out for pieces of 64 MiB that were freed
#: in the turn before.
_PROGRAM = """
import resource, torch
from thermalctl.engine.running.allocator import keep_freed_memory
if {kept}:
    assert keep_freed_memory()
pages = []
for _ in range(5):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(2**24) * 2
    pages.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(min(pages))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's own")
def test_freed_memory_is_not_asked_for_again() -> None:
    pages = {}
    for kept in (False, True):
        program = _PROGRAM.format(kept=kept)
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        pages[kept] = int(done.stdout)
    assert pages[False] > 30  # 2 x 16,384 of 4 KiB, 2 x 32 of 2 MiB
    assert pages[True] < pages[False] / 2
