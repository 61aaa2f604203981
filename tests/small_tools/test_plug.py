"""What is plugged in is one for all threads, and replaced as a whole."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from deferred_signals.support.plug import Plug

THREADS = 4


def test_threads_that_need_it_first_at_one_moment_get_the_same() -> None:
    all_make = Barrier(THREADS)

    def make() -> object:
        all_make.wait(10)
        return object()

    plug = Plug[object]()
    plug.put(make)
    with ThreadPoolExecutor(THREADS) as threads:
        found = [*threads.map(lambda _: plug.get(), range(THREADS))]
    assert {id(one) for one in found} == {id(plug.get())}


def test_what_is_plugged_in_next_is_made_anew() -> None:
    plug = Plug[list[int]]()
    assert (plug.get(), plug.is_used) == (None, False)
    assert plug.put(list) is None
    assert (plug.made, plug.is_used) == (None, True)
    first = plug.get()
    assert plug.made is first
    assert plug.put(list) is list
    assert plug.get() is not first
    plug.put(None)
    assert (plug.get(), plug.made, plug.is_used) == (None, None, False)
