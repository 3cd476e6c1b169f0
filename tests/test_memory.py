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
