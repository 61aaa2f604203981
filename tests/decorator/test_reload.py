"""A module that is loaded again replaces the receivers of its first load."""

import gc
import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from celery import current_app
from django.dispatch import Signal

from deferred_signals import connect
from deferred_signals.receivers import registry
from tests.support.connected import deferred

pytestmark = pytest.mark.django_db

sent = Signal()


class Base:
    """Of a module that is not loaded again."""

    def __call__(self, sender: object, **kwargs: object) -> None: ...

    def method(self, sender: object, **kwargs: object) -> None: ...


def connect_by_helper(receive: Callable[..., None]) -> None:
    """Connect for a module that is loaded again, from one that is not."""
    connect(sent, receive)


def elsewhere(sender: object, **kwargs: object) -> None:
    """Stay as it is, while a module that connects it is loaded again."""


HEAD = (
    "from deferred_signals import receiver\n"
    f"from {__name__} import Base, connect_by_helper, elsewhere, sent\n"
)
FUNCTION = "@receiver(sent, deferred=True{})\ndef receive(sender, **kwargs): ...\n"

Write = Callable[[str], ModuleType]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Write and load a module; a second time, the same module again."""
    name = f"reloaded_{tmp_path.name}".replace("-", "_")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write(text: str) -> ModuleType:
        (tmp_path / f"{name}.py").write_text(HEAD + text)
        importlib.invalidate_caches()
        if name in sys.modules:
            return importlib.reload(sys.modules[name])
        return importlib.import_module(name)

    yield write
    sys.modules.pop(name, None)
    for found in list(registry.all_receivers()):
        if found.name.startswith(name):
            registry.discard(found)
    sent.receivers.clear()
    sent.sender_receivers_cache.clear()


def deferrals() -> list[str]:
    """Return the names of the receivers that a send defers."""
    return [found.receiver for found in deferred(sent.send(None))]


@pytest.mark.parametrize(
    "text",
    [
        FUNCTION.format(""),
        FUNCTION.format(", weak=False"),
        FUNCTION.format(", aliases=['tests.earlier']"),
        "receive = Base()\nreceiver(sent, deferred=True)(receive)\n",
        "receive = Base()\nconnect_by_helper(receive)\n",
        "receive = Base()\nconnect_by_helper(receive.method)\n",
        "receive = Base()\nreceiver(sent, deferred=True)(receive.method)\n",
        "class Own(Base): ...\nreceive = Own()\nreceiver(sent, deferred=True)(receive)\n",
        (
            "class Own:\n  @classmethod\n  def receive(cls, sender, **kwargs): ...\n"
            "receiver(sent, deferred=True)(Own.receive)\n"
        ),
    ],
)
def test_reload_defers_once_and_to_the_new_one(write: Write, text: str) -> None:
    write(text)
    (before,) = deferrals()
    first = registry.get(before).function
    write("\n" + text)
    assert deferrals() == [before]
    assert registry.get(before).function is not first
    del first
    gc.collect()
    assert deferrals() == [before]


def test_reload_may_change_the_options(write: Write) -> None:
    name = write(FUNCTION.format(", rate_limit='10/m', queue='one'")).__name__ + ".receive"
    assert current_app.tasks[name].rate_limit == "10/m"
    write(FUNCTION.format(", rate_limit='20/m'"))
    assert current_app.tasks[name].rate_limit == "20/m"
    assert registry.get(name).options.queue is None


def test_option_that_is_gone_after_a_reload_is_gone_from_the_task(write: Write) -> None:
    name = write(FUNCTION.format(", rate_limit='10/m', track_started=True")).__name__ + ".receive"
    write(FUNCTION.format(""))
    assert current_app.tasks[name].rate_limit is None
    assert not current_app.tasks[name].track_started


def test_alias_that_is_gone_after_a_reload_finds_nothing(write: Write) -> None:
    write(FUNCTION.format(", aliases=['tests.earlier']"))
    assert registry.find("tests.earlier")
    write(FUNCTION.format(""))
    assert registry.find("tests.earlier") is None


def test_module_that_connects_a_function_of_another_may_change_the_options(write: Write) -> None:
    text = "receiver(sent, deferred=True, queue={!r}, weak=False)(elsewhere)\n"
    name = f"{__name__}.elsewhere"
    try:
        for queue in ("one", "two", "two"):
            write(text.format(queue))
            assert deferrals() == [name]
            assert registry.get(name).options.queue == queue
    finally:
        registry.discard(registry.get(name))


def test_import_after_removal_from_the_loaded_modules_replaces_too(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = write(FUNCTION.format(""))
    del sys.modules[module.__name__]
    write(FUNCTION.format(""))
    assert deferrals() == [f"{module.__name__}.receive"]


def test_second_function_of_one_load_is_no_reload(write: Write) -> None:
    with pytest.raises(Exception, match="names two receivers"):
        write(FUNCTION.format("") + FUNCTION.format(""))
