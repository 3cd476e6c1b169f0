import subprocess
import sys

import pytest

COUNT = """
import resource, sys
from symgan_core.memory import keep_freed_memory
if sys.argv[1] == "keep": assert keep_freed_memory()
import torch
def work():
    for _ in range(10): torch.ones(16_000_000).add_(1)
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc only")
def test_freed_blocks_are_kept() -> None:
    faults = {mode: int(subprocess.run([sys.executable, "-c", COUNT, mode], capture_output=True, text=True, check=True).stdout)
              for mode in ("keep", "default")}
    assert faults["keep"] < 0.1 * faults["default"], faults


KEPT = """
from symgan_core.memory import give_back_memory, keep_freed_memory
keep_freed_memory()
import torch
def resident(): return int(next(line for line in open("/proc/self/status") if line.startswith("VmRSS")).split()[1]) / 1024
def work(): return [torch.ones(8_000_000) for _ in range(20)]
work()
kept = resident()
give_back_memory()
print(kept - resident())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc only")
def test_kept_blocks_are_given_back_when_asked() -> None:
    given = float(subprocess.run([sys.executable, "-c", KEPT], capture_output=True, text=True, check=True).stdout)
    assert given > 0.9 * 20 * 8_000_000 * 4 / 2**20
