"""The pytest plugin: a fixture, a marker and three options; it is loaded whenever pytest starts.

So it imports nothing of Django, Celery or this library before a test asks for it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from deferred_signals.testing.collected import Collected
    from deferred_signals.testing.modes import inline, manual

__all__: list[str] = []

MARKER = "deferred_signals"
MODES = ("inline", "manual", "")
LEAKS = ("warn", "fail", "off")

_by_option = pytest.StashKey[bool]()
_mode = pytest.StashKey["inline | manual"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options of the configuration file."""
    parser.addini(
        "deferred_signals_mode",
        "The mode of tests that say nothing of it: inline, manual, or nothing (as the settings say).",
        default="",
    )
    parser.addini(
        "deferred_signals_strict",
        "Whether a fresh process is asked about the messages of tests that are in a mode.",
        type="bool",
        default=False,
    )
    parser.addini(
        "deferred_signals_leaks",
        "What to do about messages that a test neither ran nor looked at: warn, fail or off.",
        default="warn",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker, and refuse wrong options.

    Raises:
        pytest.UsageError: an option has a value that it cannot have.
    """
    config.addinivalue_line(
        "markers",
        f"{MARKER}(mode='manual', strict=False, leaks='warn'): how messages of deferred receivers "
        f"fare in this test; mode is 'inline' or 'manual'.",
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
    """What was deferred, with the assertions; with ``mode="inline"`` None, since all has run.

    As `deferred_signals.testing.manual`, or as the marker ``deferred_signals`` says.
    """
    mode = _mode_of(request.node)
    given = mode.begin()
    request.node.stash[_mode] = mode
    yield given
    mode.end()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let the mode begin before other fixtures, where the marker or the option wants one."""
    if not isinstance(item, pytest.Function) or MARKER in item.fixturenames:
        return
    marked = item.get_closest_marker(MARKER) is not None
    if marked or item.config.getini("deferred_signals_mode"):
        item.stash[_by_option] = not marked
        item.fixturenames.insert(0, MARKER)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Look for leaks at the end of a test that went well, while its transaction is still there."""
    add_cleanup = getattr(getattr(item, "instance", None), "addCleanup", None)
    if add_cleanup is not None:
        # The transaction of a TestCase ends before this hook goes on.
        add_cleanup(_tell_of_stuck, item)
        result = yield
    else:
        result = yield
        _tell_of_stuck(item)
    if _mode in item.stash:
        item.stash[_mode].verify()
    return result


def _mode_of(item: pytest.Item) -> inline | manual:
    from deferred_signals.testing.modes import inline, manual  # noqa: PLC0415 - see above

    marker = item.get_closest_marker(MARKER)
    options: dict[str, Any] = {
        "strict": item.config.getini("deferred_signals_strict"),
        "leaks": item.config.getini("deferred_signals_leaks"),
    }
    mode = "manual"
    if marker is not None:
        options |= marker.kwargs
        mode = options.pop("mode", mode)
    elif item.stash.get(_by_option, False):
        mode = item.config.getini("deferred_signals_mode")
    known = mode in MODES[:2] and options.keys() == {"strict", "leaks"}
    if not known or (marker is not None and marker.args):
        raise pytest.UsageError(
            f"The marker {MARKER} takes mode='inline' or mode='manual', strict= and leaks=, "
            f"got {marker}."
        )
    return inline(strict=options["strict"]) if mode == "inline" else manual(**options)


def _tell_of_stuck(item: pytest.Item) -> None:
    """Tell of messages that wait for a commit that never comes; in no other case load anything."""
    if "deferred_signals.sending.commit" in sys.modules:
        from deferred_signals.testing.leaks import tell_of_stuck  # noqa: PLC0415 - see above

        tell_of_stuck(item.config.getini("deferred_signals_leaks"))
