"""The pytest plugin: a fixture, a marker and three options of the configuration file.

Pytest loads this module whenever it starts, also in projects without Django. So the module imports
nothing of Django, Celery or this library before a test asks for it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from deferred_signals.testing.collected import Collected
    from deferred_signals.testing.modes import inline, live, manual

__all__: list[str] = []

MARKER = "deferred_signals"
MODES = ("inline", "live", "manual", "")
LEAKS = ("warn", "fail", "off")

_by_option = pytest.StashKey[bool]()
_mode = pytest.StashKey["inline | live | manual"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options of the configuration file."""
    parser.addini(
        "deferred_signals_mode",
        "The mode of tests that name none: inline, manual or live. If empty, the settings decide.",
        default="",
    )
    parser.addini(
        "deferred_signals_strict",
        "Whether a fresh process checks that a worker could run each message of a test in a mode.",
        type="bool",
        default=False,
    )
    parser.addini(
        "deferred_signals_leaks",
        "What to do about messages that a test neither ran nor looked at: warn, fail or off.",
        default="warn",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker, and refuse wrong values of options.

    Raises:
        pytest.UsageError: an option has a value that does not exist.
    """
    config.addinivalue_line(
        "markers",
        f"{MARKER}(mode='manual', strict=False, leaks='warn'): where messages of deferred "
        f"receivers go in this test; mode is 'inline', 'manual' or 'live'.",
    )
    for name, known in (("mode", MODES), ("leaks", LEAKS)):
        value = config.getini(f"deferred_signals_{name}")
        if value not in known:
            raise pytest.UsageError(
                f"deferred_signals_{name} must be one of {', '.join(map(repr, known))}, "
                f"got {value!r}."
            )


@pytest.fixture
def deferred_signals(request: pytest.FixtureRequest) -> Iterator[Collected | None]:
    """Collect what the test defers, as `deferred_signals.testing.manual` does.

    Gives the `Collected`, with the assertions. Where the marker ``deferred_signals`` names another
    mode, that mode is in force, and the fixture gives None.
    """
    mode = _mode_of(request.node)
    given = mode.begin()
    request.node.stash[_mode] = mode
    yield given
    mode.end()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Begin the mode before other fixtures, if the marker or the option names one."""
    if not isinstance(item, pytest.Function) or MARKER in item.fixturenames:
        return
    marked = item.get_closest_marker(MARKER) is not None
    if marked or item.config.getini("deferred_signals_mode"):
        item.stash[_by_option] = not marked
        item.fixturenames.insert(0, MARKER)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Look for leaks at the end of a test that passed, while its transaction is still open."""
    add_cleanup = getattr(getattr(item, "instance", None), "addCleanup", None)
    if add_cleanup is not None:
        # A TestCase ends its transaction before this hook goes on, but after its clean-ups.
        add_cleanup(_tell_of_stuck, item)
        result = yield
    else:
        result = yield
        _tell_of_stuck(item)
    if _mode in item.stash:
        item.stash[_mode].verify()
    return result


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_teardown() -> Generator[None, object, object]:
    """Drop what is kept for a broker that was away: the next test must not publish it."""
    result = yield
    lines = sys.modules.get("deferred_signals.publishing.lines")
    if lines is not None:
        lines.drop_kept()
    return result


def _mode_of(item: pytest.Item) -> inline | live | manual:
    from deferred_signals.testing.modes import inline, live, manual  # noqa: PLC0415 - see above

    marker = item.get_closest_marker(MARKER)
    options: dict[str, Any] = {
        "strict": item.config.getini("deferred_signals_strict"),
        "leaks": item.config.getini("deferred_signals_leaks"),
    }
    mode = "manual"
    if marker is not None:
        _check(marker)
        options |= marker.kwargs
        mode = options.pop("mode", mode)
    elif item.stash.get(_by_option, False):
        mode = item.config.getini("deferred_signals_mode")
    if mode == "live":
        return live()
    return inline(strict=options["strict"]) if mode == "inline" else manual(**options)


def _check(marker: pytest.Mark) -> None:
    """Refuse arguments that the marker does not take.

    Raises:
        pytest.UsageError: it names the arguments that the marker takes.
    """
    given = [*map(repr, marker.args), *(f"{key}={value!r}" for key, value in marker.kwargs.items())]
    takes = f"The marker {MARKER} takes mode='inline', 'manual' or 'live', strict= and leaks="
    for value in marker.args:
        hint = f": write mode={value!r}" if value in MODES[:3] else ""
        raise pytest.UsageError(f"{takes}, each by its name, got ({', '.join(given)}){hint}.")
    mode = marker.kwargs.get("mode", "manual")
    allowed = {"mode"} if mode == "live" else {"mode", "strict", "leaks"}
    if mode not in MODES[:3] or not marker.kwargs.keys() <= allowed:
        alone = "; 'live' takes neither of those two" if mode == "live" else ""
        raise pytest.UsageError(f"{takes}{alone}, got ({', '.join(given)}).")


def _tell_of_stuck(item: pytest.Item) -> None:
    """Report messages whose commit never comes; import nothing if the library sent none."""
    if "deferred_signals.sending.commit" in sys.modules:
        from deferred_signals.testing.leaks import tell_of_stuck  # noqa: PLC0415 - see above

        tell_of_stuck(item.config.getini("deferred_signals_leaks"))
