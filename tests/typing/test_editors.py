"""What editors show beside an option: by pyright's language server, by jedi, and by `help()`."""

import inspect
import pydoc
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import deferred_signals
from deferred_signals.receivers.options import OPTIONS

from .language_server import LanguageServer, running

ROOT = Path(__file__).resolve().parents[2]
HEAD = """\
from django.dispatch import Signal
from deferred_signals import connect, receiver

order_placed = Signal()


def receive(sender, **kwargs): ...


"""
CALLS = {
    "receiver": "receiver(order_placed, deferred=True, ",
    "connect": "connect(order_placed, receive, ",
}
both = pytest.mark.parametrize("name", CALLS)


def meaning(option: str) -> str:
    """Return the line that tells what an option means, without the marks of code."""
    return f"{option}: {OPTIONS[option].meaning}.".replace("`", "")


@pytest.fixture(scope="module")
def pyright() -> Iterator[LanguageServer]:
    pytest.importorskip("basedpyright", reason="only where the type checkers are installed")
    command = Path(sys.executable).with_name("basedpyright-langserver")
    with running(command, ROOT) as server:
        lines = [f"{call}{option}=None)" for call in CALLS.values() for option in OPTIONS]
        lines += [f"made = {call})" for call in CALLS.values()]
        server.open(HEAD + "\n".join(lines))
        yield server


@both
def test_pyright_offers_each_option_and_shows_what_it_means(
    pyright: LanguageServer, name: str
) -> None:
    call = CALLS[name]
    assert {f"{option}=" for option in OPTIONS} <= pyright.completions(f"made = {call}")
    for option in OPTIONS:
        hovered = pyright.hover(f"{call}{option}")
        assert meaning(option) in hovered.replace("`", "").replace("\\", ""), hovered
        written = pyright.parameter(f"{call}{option}=")
        assert meaning(option) in written.replace("`", "").replace("\\", ""), written


@both
def test_jedi_offers_each_option_and_shows_what_it_means(name: str) -> None:
    jedi: Any = pytest.importorskip("jedi", reason="only where the type checkers are installed")
    call = CALLS[name]
    script = jedi.Script(HEAD + call, path=ROOT / "tests" / "unsaved.py")
    offered = {found.name for found in script.complete()}
    assert {f"{option}=" for option in OPTIONS} <= offered
    shown = script.get_signatures()[0].docstring().replace("`", "")
    for option in OPTIONS:
        assert f"\n    {meaning(option)}" in shown


@pytest.mark.parametrize("function", [deferred_signals.receiver, deferred_signals.connect])
def test_help_shows_each_option_with_its_default_and_what_it_means(
    function: Callable[..., Any],
) -> None:
    parameters = inspect.signature(function).parameters
    shown = pydoc.plain(pydoc.render_doc(function))
    for option, told in OPTIONS.items():
        assert parameters[option].default == told.default
        assert meaning(option) in shown.replace("`", "")


def test_help_on_the_package_shows_all_public_names() -> None:
    shown = pydoc.plain(pydoc.render_doc(deferred_signals))
    for name in vars(deferred_signals)["__all__"]:
        assert name in shown
    assert "help(deferred_signals.receiver)" in shown
