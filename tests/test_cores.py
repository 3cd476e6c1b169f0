"""How many threads torch is given beside others."""

import sys

import pytest
import torch

from symgan_core.cores import Capacity, Cores, Usage, read_capacity, read_usage


@pytest.fixture(autouse=True)
def same_threads():
    """Torch has as many threads after a test as before."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


class Machine:
    """A clock and counters that a test moves: ``pass_time`` lets this process and others use so many cores for some seconds."""

    def __init__(self, machine: bool = True, group: bool = False):
        self.at = self.own = self.all = 0.0
        self._machine, self._group = machine, group

    def pass_time(self, seconds: float, own: float, others: float) -> None:
        self.at, self.own, self.all = self.at + seconds, self.own + own * seconds, self.all + (own + others) * seconds

    def read(self) -> Usage:
        return Usage(self.at, self.own, self.all if self._machine else None, self.all if self._group else None)


@pytest.mark.parametrize(("others", "threads"), [(0.0, 4), (0.3, 4), (1.0, 3), (3.0, 1), (9.0, 1)])
def test_a_job_gets_the_cores_that_others_leave(others, threads):
    machine = Machine()
    cores = Cores(Capacity(machine=4, group=None, limit=4), machine.read)
    assert cores.adapt() == 4
    machine.pass_time(1.0, own=1.0, others=others)
    assert cores.adapt() == torch.get_num_threads() == threads


def test_cores_come_back_when_the_others_are_done():
    machine = Machine()
    cores = Cores(Capacity(machine=2, group=None, limit=2), machine.read)
    machine.pass_time(1.0, own=1.0, others=1.0)
    assert cores.adapt() == 1
    machine.pass_time(1.0, own=1.0, others=0.0)
    assert cores.adapt() == torch.get_num_threads() == 2


def test_nothing_changes_within_the_window():
    machine = Machine()
    cores = Cores(Capacity(machine=2, group=None, limit=2), machine.read)
    machine.pass_time(0.1, own=1.0, others=1.0)
    assert cores.adapt() == 2


def test_two_jobs_on_the_same_cores_get_half_each():
    machine = Machine()
    jobs = [Cores(Capacity(machine=4, group=None, limit=4), machine.read) for _ in range(2)]
    for _ in range(5):
        machine.pass_time(1.0, own=2.0, others=2.0)
        threads = [job.adapt() for job in jobs]
    assert threads == [2, 2]


def test_a_process_stays_below_its_limit_on_an_idle_machine():
    machine = Machine()
    cores = Cores(Capacity(machine=16, group=None, limit=2), machine.read)
    machine.pass_time(1.0, own=2.0, others=1.0)
    assert cores.adapt() == 2


def test_a_container_counts_what_runs_in_it_against_its_quota():
    machine = Machine(machine=False, group=True)
    cores = Cores(Capacity(machine=64, group=2.0, limit=2), machine.read)
    machine.pass_time(1.0, own=1.0, others=1.0)
    assert cores.adapt() == 1


def test_where_the_system_says_nothing_all_cores_are_taken():
    machine = Machine(machine=False)
    cores = Cores(Capacity(machine=8, group=None, limit=8), machine.read)
    machine.pass_time(1.0, own=1.0, others=7.0)
    assert cores.adapt() == 8


@pytest.mark.skipif(sys.platform != "linux", reason="others do not say what the whole machine uses")
def test_the_system_is_read():
    first = read_usage()
    total = sum(number * number for number in range(2_000_000))
    second = read_usage()
    assert total and second.own > first.own and second.machine - first.machine >= 0 and second.at > first.at
    assert read_capacity().limit >= 1


def test_a_quota_bounds_the_threads(monkeypatch, tmp_path):
    monkeypatch.setattr("symgan_core.cores._GROUP", tmp_path)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 16)
    assert read_capacity().limit == 16
    (tmp_path / "cpu.max").write_text("200000 100000\n")
    assert read_capacity().limit == 2
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert read_capacity().limit == 16
