"""How benchmarks compare two candidates."""

from collections.abc import Callable, Iterator

from benchmarks.pairs import Measure, in_turns


def giving(*microseconds: float, told: Callable[[], object] = bool) -> Measure:
    """Make a candidate that takes these times, one after the other."""
    times: Iterator[float] = iter(microseconds)

    def measure() -> float:
        told()
        return next(times)

    return measure


def test_speed_is_how_many_times_as_long_the_other_takes() -> None:
    pair = in_turns(giving(2.0, 2.0), giving(6.0, 6.0), rounds=1)
    assert (pair.ours, pair.theirs) == (2.0, 6.0)
    assert pair.speed == (3.0, 3.0, 3.0)


def test_speed_is_the_median_of_pairs_and_not_the_ratio_of_medians() -> None:
    ours, theirs = giving(1.0, 2.0, 8.0), giving(3.0, 4.0, 24.0)
    pair = in_turns(ours, theirs, rounds=3, warm_up=False)
    assert pair.speed == (2.5, 3.0, 3.0)


def test_warm_up_does_not_count() -> None:
    pair = in_turns(giving(1000.0, 1.0), giving(1.0, 1.0), rounds=1)
    assert pair.speed.median == 1.0


def test_each_goes_first_in_every_other_round() -> None:
    order: list[str] = []
    ours = giving(*[1.0] * 4, told=lambda: order.append("ours"))
    theirs = giving(*[1.0] * 4, told=lambda: order.append("theirs"))
    in_turns(ours, theirs, rounds=4, warm_up=False)
    assert order == ["ours", "theirs", "theirs", "ours"] * 2
