"""The Python blocks of README.md and docs/ run on Django, in eager mode.

The blocks of one section (a `##` heading) run one after another, as one test. A block that begins
with the path of a file, like `# shop/receivers.py`, runs as that module, so that others can import
from it; one without a path runs in the module of the block before. A block that defines
`DEFERRED_SIGNALS` puts it in force, and tests in a block (test cases, and functions with their
fixtures) are run. Blocks inside HTML comments assert what the prose claims.
"""

import re
import sys
import unittest
from collections.abc import Iterator
from importlib import import_module
from inspect import signature
from itertools import groupby
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest
from django.db import connection
from django.test import SimpleTestCase, modify_settings
from pytest_django import DjangoDbBlocker, Settings
from sybil import Document, Example, Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

from deferred_signals import conf
from deferred_signals.decorator import DeferredReceiver
from deferred_signals.receivers import registry
from tests.project.celery import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
#: Followed as a whole, in an empty folder with a worker: `tests/integration/test_tutorial.py`.
FOLLOWED = {ROOT / "docs" / "tutorial.md"}
#: Runs where the packages of its examples are installed: `tests/packages`.
ELSEWHERE = {ROOT / "docs" / "other-packages.md"}
#: The same for a section of the README, by `tests/integration/test_readme.py`.
FOLLOWED_SECTION = "From an empty folder to a receipt"
DEFAULT_MODULE = "shop.receivers"


def parsed(path: Path) -> Document:
    return Sybil([PythonCodeBlockParser()]).parse(path)


def heading_above(example: Example) -> str:
    """Return the title of the section that an example belongs to."""
    text = example.document.text
    blocks = re.compile(r"^```.*?^```|^<!--.*?-->", re.MULTILINE | re.DOTALL)
    prose = blocks.sub(lambda block: " " * len(block[0]), text)
    titles = re.findall(r"^##? (.+)$", prose[: example.start], re.MULTILINE)
    return titles[-1] if titles else ""


def sections() -> Iterator[Any]:
    """Give every section that has blocks, with its blocks."""
    for path in PAGES:
        if path in FOLLOWED | ELSEWHERE:
            continue
        for title, examples in groupby(parsed(path).examples(), heading_above):
            if title == FOLLOWED_SECTION:
                continue
            yield pytest.param(list(examples), id=f"{path.relative_to(ROOT)}: {title}")


@pytest.fixture(scope="module")
def shop(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Install the app of the examples, and make its table."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "docs")
        with modify_settings(INSTALLED_APPS={"append": "shop"}), django_db_blocker.unblock():
            order = import_module("shop.models").Order
            with connection.schema_editor() as editor:
                editor.create_model(order)
            yield
            with connection.schema_editor() as editor:
                editor.delete_model(order)


class Modules:
    """The modules that blocks run as, for one test."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch
        self._made: list[ModuleType] = []

    def get(self, name: str) -> ModuleType:
        for module in self._made:
            if module.__name__ == name:
                return module
        module = ModuleType(name)
        self._patch.setitem(sys.modules, name, module)
        self._made.append(module)
        return module

    def clear(self) -> None:
        """Release everything that the blocks defined: ordinary receivers are held weakly."""
        for module in self._made:
            vars(module).clear()


@pytest.fixture
def modules(shop: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Modules]:
    """Give empty modules. Afterwards remove the receivers that blocks made."""
    before = list(registry.all_receivers())
    made = Modules(monkeypatch)
    yield made
    for found in list(registry.all_receivers()):
        if found not in before and isinstance(found, DeferredReceiver):
            found.disconnect()
            registry.discard(found)
    made.clear()
    app.set_current()


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
@pytest.mark.parametrize("examples", list(sections()))
def test_blocks_of_a_section_run(
    examples: list[Example],
    modules: Modules,
    settings: Settings,
    request: pytest.FixtureRequest,
) -> None:
    settings.DEFERRED_SIGNALS = {"EAGER": True}
    # Django 6.1 wants to be told, also in tests.
    settings.MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}
    name = DEFAULT_MODULE
    for example in examples:
        name = module_of(example) or name
        module = modules.get(name)
        example.namespace = vars(module)
        known = set(vars(module))
        example.evaluate()
        new = {key: value for key, value in vars(module).items() if key not in known}
        if "DEFERRED_SIGNALS" in new:
            settings.DEFERRED_SIGNALS = {"EAGER": True, **vars(module).pop("DEFERRED_SIGNALS")}
            assert conf.problems() == []
        for value in new.values():
            is_case = isinstance(value, type) and issubclass(value, SimpleTestCase)
            if is_case and value.__module__ == name:
                run_tests_of(value)
            if isinstance(value, FunctionType) and value.__name__.startswith("test_"):
                value(**{key: request.getfixturevalue(key) for key in signature(value).parameters})


def module_of(example: Example) -> str | None:
    """Return the module that a block names in its first line."""
    found = re.match(r"# ([\w/]+)\.py\b", str(example.parsed))
    return found[1].removesuffix("/__init__").replace("/", ".") if found else None


def run_tests_of(case: type[unittest.TestCase]) -> None:
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    assert result.testsRun
    assert [text for _, text in [*result.errors, *result.failures]] == []
