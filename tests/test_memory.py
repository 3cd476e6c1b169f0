import os
import subprocess
import sys
from pathlib import Path

import pytest

from symgan_core import memory
from symgan_core.memory import FOOTPRINT, free_memory, jobs_that_fit, resident

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


GB = 10**9


def system(folder: Path, groups: str, files: dict[str, str], available: int = 8 * GB) -> tuple[Path, Path]:
    """What Linux shows below /proc and /sys/fs/cgroup."""
    (folder / "proc" / "self").mkdir(parents=True)
    (folder / "proc" / "meminfo").write_text(f"MemTotal:  99999999 kB\nMemAvailable:  {available // 1024} kB\n")
    (folder / "proc" / "self" / "cgroup").write_text(groups)
    for name, text in files.items():
        path = folder / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "proc", folder / "cgroup"


def group(limit: object, used: int, dropped: int, version: int = 2, name: str = "") -> dict[str, str]:
    names = ("memory.max", "memory.current", "inactive_file") if version == 2 else (
        "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    return {f"{name}{names[0]}": f"{limit}\n", f"{name}{names[1]}": f"{used}\n", f"{name}memory.stat": f"anon 5\n{names[2]} {dropped}\n"}


@pytest.mark.parametrize(("groups", "files", "free"), [
    ("0::/\n", {}, 8 * GB),
    ("0::/\n", group("max", 2 * GB, 0), 8 * GB),
    ("0::/\n", group(4 * GB, 3 * GB, GB // 2), 1.5 * GB),
    ("0::/\n", group(4 * GB, 5 * GB, 0), 0),
    ("0::/box/job\n", group(9 * GB, GB, 0, name="box/job/") | group(3 * GB, GB, 0, name="box/"), 2 * GB),  # the outer one is tighter
    ("0::/not/seen/in/here\n", group(3 * GB, GB, 0), 2 * GB),
    ("3:cpu:/x\n2:memory,other:/x\n0::/\n", group(5 * GB, 2 * GB, GB, 1, "memory/x/"), 4 * GB),
    ("2:memory:/\n", group(9223372036854771712, 2 * GB, GB, 1, "memory/"), 8 * GB)])
def test_free_memory_is_the_machines_or_what_a_container_leaves(groups: str, files: dict[str, str], free: float, tmp_path: Path) -> None:
    assert free_memory(*system(tmp_path, groups, files)) == pytest.approx(free, abs=1024)


def test_another_system_says_nothing_and_limits_nothing(tmp_path: Path, monkeypatch) -> None:
    assert free_memory(tmp_path, tmp_path) is None
    monkeypatch.setattr(memory, "free_memory", lambda: None)
    assert jobs_that_fit() > 1000


@pytest.mark.parametrize(("free", "own", "jobs"), [(0, 0, 1), (0.9, 0, 1), (1.9, 0, 1), (2.1, 0, 2), (1.1, 2.0, 3), (0, 2.9, 2)])
def test_as_many_jobs_as_there_is_memory_for_and_one_at_least(free: float, own: float, jobs: int, monkeypatch) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda: int(free * FOOTPRINT))
    assert jobs_that_fit(int(own * FOOTPRINT)) == jobs


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_of_processes_is_that_of_the_kernel() -> None:
    code = "import sys; held = bytearray(200_000_000); print(); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        held = resident([other.pid])
        assert 200_000_000 < held < 260_000_000 and resident([other.pid, None, 2**22 + 1]) == pytest.approx(held, rel=0.01)
        other.stdin.close()
    assert resident([other.pid]) == 0 < resident([os.getpid()])
