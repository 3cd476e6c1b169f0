"""One thread computes for the whole page."""

import threading

import pytest

from demo.computing import CallerThread, WorkerThread
from demo.store import VisitorLeft


@pytest.mark.parametrize("kind", [CallerThread, WorkerThread])
def test_results_items_and_errors_come_through(kind):
    computing = kind()
    assert computing.call(divmod, 7, 2) == (3, 1)
    assert list(computing.steps(iter([1, None, 3]))) == [1, None, 3]
    with pytest.raises(ZeroDivisionError):
        computing.call(lambda: 1 // 0)

    def broken():
        yield 1
        raise KeyError("two")

    steps = computing.steps(broken())
    assert next(steps) == 1
    with pytest.raises(KeyError):
        next(steps)


def test_all_is_done_in_one_thread_whoever_asks():
    computing, seen = WorkerThread(), set()

    def ask():
        for _ in range(3):
            seen.add(computing.call(threading.get_ident))
        seen.update(computing.steps(threading.get_ident() for _ in range(3)))

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert len(seen) == 1 and threading.get_ident() not in seen


def test_work_within_work_does_not_wait_for_itself():
    computing = WorkerThread()
    assert computing.call(lambda: computing.call(lambda: list(computing.steps(iter("ab"))))) == ["a", "b"]


def test_a_call_waits_for_one_step_of_a_run_alone():
    computing, order = WorkerThread(), []
    begun, asked = threading.Event(), threading.Event()

    def run():
        for number in range(3):
            order.append(number)
            begun.set()
            asked.wait(10)
            yield number

    steps = computing.steps(run())
    first = threading.Thread(target=next, args=(steps,))
    first.start()
    begun.wait(10)
    call = threading.Thread(target=computing.call, args=(order.append, "call"))
    call.start()
    asked.set()
    first.join()
    call.join()
    list(steps)
    assert order == [0, "call", 1, 2]


def test_closing_ends_the_work():
    computing, closed = WorkerThread(), []

    def run():
        try:
            yield 1
            yield 2
        finally:
            closed.append(threading.get_ident())

    steps = computing.steps(run())
    next(steps)
    steps.close()
    assert closed == [computing.call(threading.get_ident)]


def test_the_main_thread_may_compute_until_it_is_interrupted():
    computing, found = WorkerThread(), []

    def visitor():
        found.append(computing.call(threading.get_ident))
        with pytest.raises(VisitorLeft):
            computing.call(_interrupt)
        found.append(computing.call(threading.get_ident))

    computing.take_over()
    asker = threading.Thread(target=visitor)
    asker.start()
    with pytest.raises(KeyboardInterrupt):
        computing.serve()
    asker.join()
    assert found[0] == threading.get_ident() != found[1]


def _interrupt():
    raise KeyboardInterrupt
