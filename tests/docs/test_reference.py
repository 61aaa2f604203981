"""The reference lists what there is, with the defaults in force: no option, setting or error is missing."""

import ast
import json
import re
from dataclasses import fields
from importlib import import_module
from pkgutil import walk_packages

import pytest

import deferred_signals
from deferred_signals import Retry, conf, errors, events
from deferred_signals.receivers.options import DEFAULT_POLICY, OPTIONS
from tests.docs.consoles import text_of
from tests.docs.tables import first_cells, rows
from tests.docs.test_blocks import ROOT

PACKAGE = ROOT / "deferred_signals"
#: Exceptions that end inside the library, or reach users as another one.
INTERNAL = {
    "CannotPublish",  # a `PublishError` tells of it
    "Gone",  # the option `missing` decides
    "LeaseLost",  # the run is rolled back, and told to nobody
    "MissingRelation",  # as `MissingRow`, of what `carry` leads to
    "MissingRow",  # the model's `DoesNotExist`
    "NotKept",  # a `ConfigurationError`
    "NothingSelected",  # the command's error
    "Raised",  # carries what a callable of the project's raised
    "Refused",  # the message ends as failed, with the broker's error
    "Unencodable",  # a `SerializationError`
    "Unfit",  # the error of whoever asked
}


def test_tables_of_options_say_what_editors_and_help_say() -> None:
    assert sorted(rows(text_of("options.md"))) == sorted(
        [f"`{name}`", default_of(told.default), told.meaning.replace("``", "`")]
        for name, told in OPTIONS.items()
    )


def default_of(value: object) -> str:
    """Write the default of an option as the page does."""
    if value == DEFAULT_POLICY:
        return "the setting `RETRY`"
    if isinstance(value, frozenset):
        return ", ".join(f"`{name}`" for name in sorted(value)) or "`()`"
    return "none" if value is None else f"`{value!r}`"


def test_every_setting_is_in_the_tables_of_settings_with_its_default() -> None:
    told = {name.strip("`"): default for name, default, _ in rows(text_of("settings.md"))}
    of_outbox = {field.name: getattr(conf.Outbox(), field.name) for field in fields(conf.Outbox)}
    assert told.keys() == of_outbox.keys() | {field.name for field in fields(conf.Settings)}
    for name, value in of_outbox.items():
        assert told[name] == f"`{json.dumps(value) if isinstance(value, tuple) else repr(value)}`"
    for field in fields(conf.Settings):
        match getattr(conf.Settings(), field.name):
            case Retry():
                expected = "`Retry()`"
            case bool() | int() | float() | None as value:
                expected = f"`{value!r}`"
            case frozenset() as names if names:
                expected = ", ".join(f"`{name}`" for name in sorted(names))
            case _:
                continue
        assert told[field.name] == expected


def test_every_field_of_retry_is_in_its_table() -> None:
    assert first_cells(text_of("retries.md")) == {field.name for field in fields(Retry)}


def test_tables_of_lifecycle_signals_are_those_of_the_module() -> None:
    assert events.__doc__ is not None
    module = events.__doc__.replace("``", "`").replace("deferred_signals.message.", "")
    assert rows(text_of("events.md")) == rows(module)
    assert first_cells(module) >= set(events.__all__)


def test_every_error_is_in_the_index_of_errors() -> None:
    named = set(re.findall(r"^\| `(\w+)`", text_of("errors.md"), re.MULTILINE))
    defined = {name for module in modules() for name in exceptions_of(module)}
    assert defined - INTERNAL <= named | {"DeferredSignalsError"}
    assert set(errors.__all__) <= named | {"DeferredSignalsError"}
    assert defined >= INTERNAL


def test_texts_in_the_index_of_errors_are_those_of_errors() -> None:
    texts = " ".join(
        node.value
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    told = re.findall(r"^\| `([^`]* [^`]*)` \|", text_of("errors.md"), re.MULTILINE)
    assert len(told) > 10
    assert [text for text in told if text not in texts] == []


def modules() -> list[object]:
    """Import all modules of the library."""
    found = walk_packages(deferred_signals.__path__, "deferred_signals.")
    return [import_module(item.name) for item in found]


def exceptions_of(module: object) -> list[str]:
    """Name the exceptions and warnings that a module defines."""
    return [
        name
        for name, value in vars(module).items()
        if isinstance(value, type)
        and issubclass(value, BaseException)
        and value.__module__ == getattr(module, "__name__", None)
        and not name.startswith("_")
    ]


@pytest.mark.parametrize(
    ("page", "package"),
    [
        ("api.rst", "deferred_signals"),
        ("api-testing.rst", "deferred_signals.testing"),
        ("api-outbox.rst", "deferred_signals.outbox"),
        ("api-map.rst", "deferred_signals.map"),
    ],
)
def test_every_public_name_is_in_the_reference(page: str, package: str) -> None:
    told = re.findall(r"^\.\. auto\w+:: (\w+)(?:\(.*\))?$", text_of(page), re.MULTILINE)
    assert sorted(told) == sorted(import_module(package).__all__)
