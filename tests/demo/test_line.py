import threading

import pytest

from demo.line import Line, LineFull


def test_work_is_done_one_at_a_time_in_the_order_of_arrival() -> None:
    line, order, at_work = Line(5), [], []
    arrived = threading.Semaphore(0)

    def work(number: int) -> None:
        with line.stand(1.0) as place:
            arrived.release()
            for _ in place.wait():
                pass
            at_work.append(number)
            assert len(at_work) == 1
            order.append(number)
            at_work.remove(number)

    with line.stand(1.0):
        threads = []
        for number in range(4):
            threads.append(threading.Thread(target=work, args=(number,)))
            threads[-1].start()
            arrived.acquire()
        assert len(line) == 5 and not order
        with pytest.raises(LineFull, match="waiting already"), line.stand(1.0):
            pass
    for thread in threads:
        thread.join(20)
    assert order == [0, 1, 2, 3] and len(line) == 0


def test_a_place_knows_who_is_before_it_and_how_long_they_take() -> None:
    line = Line(5)
    with line.stand(30.0) as first, line.stand(20.0), line.stand(9.0) as third:
        assert line.before(first) == (0, 0) and line.before(third) == (2, 50.0)
        first.left = -3.0  # it takes longer than was thought
        assert next(third.wait()) == (2, 20.0)


def test_who_gives_up_leaves_the_line() -> None:
    line = Line(5)

    def run():
        with line.stand(1.0) as place:
            yield from place.wait()

    with line.stand(1.0):
        waiting = run()
        next(waiting)
        assert len(line) == 2
        waiting.close()
        assert len(line) == 1


def test_as_many_are_at_work_as_there_is_room_for() -> None:
    room = [2]
    line = Line(6, lambda: room[0])
    with line.stand(30) as first, line.stand(10) as second, line.stand(15) as third, line.stand(7) as fourth, line.stand(1) as fifth:
        assert [line.before(place)[0] for place in (first, second, third, fourth, fifth)] == [0, 0, 1, 2, 3]
        # The third follows the second after 10 s and ends with 25, the fourth follows it and ends with 32, the fifth follows the first.
        assert [line.before(place)[1] for place in (third, fourth, fifth)] == [10, 25, 30]
        assert not list(second.wait())
        room[0] = 1
        assert line.before(second) == (1, 30) and line.before(third) == (2, 40)
