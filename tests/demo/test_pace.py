import pytest

from demo import pace
from demo.pace import Pace, Run, stages_of

UNITS = {"guess": 2, "pivot": 10, "video": 20}


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(pace.time, "monotonic", lambda: now[0])
    return now


def run_through(clock: list[float], speed: float, own: Pace) -> list[tuple[float, float]]:
    """A run whose units take ``speed`` seconds each, whatever the stage."""
    run, seen = Run(own, UNITS, clock[0]), []
    for stage, total in UNITS.items():
        for step in range(total + 1):
            seen.append(run.at(stage, step, total))
            clock[0] += speed if step < total else 0
    run.end()
    return seen


def test_one_bar_for_the_whole_that_never_falls(clock) -> None:
    seen = run_through(clock, 1.0, Pace(dict.fromkeys(UNITS, 1.0)))
    shares = [share for share, _ in seen]
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] == 1
    assert [left for _, left in seen][::4] == pytest.approx([32 * (1 - share) for share in shares][::4], abs=0.01)


def test_a_slow_machine_is_noticed_in_the_run_and_remembered_after_it(clock) -> None:
    own = Pace(dict.fromkeys(UNITS, 1.0))
    seen = run_through(clock, 3.0, own)
    share, left = seen[len(seen) // 2]
    assert left == pytest.approx(3 * 32 * (1 - share), rel=0.25) and left > 1.5 * 32 * (1 - share)
    assert own.seconds(UNITS) == pytest.approx(64, rel=0.1)  # half way from 32 to 96


def test_a_stop_goes_on_with_the_film_at_once(clock) -> None:
    run = Run(Pace(dict.fromkeys(UNITS, 1.0)), UNITS, clock[0])
    run.at("guess", 2, 2)
    run.at("pivot", 1, 10)
    share, left = run.at("video", 0, 20)
    assert share == pytest.approx(12 / 32) and left == pytest.approx(20 * 6 / 18)


def test_all_presets_have_the_stages_that_runs_report() -> None:
    for preset in ("fast", "balanced", "best"):
        assert list(stages_of(preset)) == ["look", "guess", "pivot", "tuning", "video"] and Pace().seconds(stages_of(preset)) > 10
