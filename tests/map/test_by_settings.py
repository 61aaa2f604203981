"""Receivers of other packages that the setting `DEFER` defers, on the map."""

from collections.abc import Callable

import pytest
from django.dispatch import Signal

from deferred_signals.map import MappedReceiver, MappedSignal, receiver_map
from deferred_signals.map.listing import as_listing
from deferred_signals.map.plain import as_plain
from deferred_signals.map.selection import Selection
from deferred_signals.map.table import as_table
from tests.map.conftest import HOME
from tests.support.by_settings import BySettings
from tests.support.callables import plain
from tests.support.connected import Connected

PLAIN = "tests.support.callables.plain"


@pytest.fixture
def by_entry(placed: Signal, by_settings: BySettings) -> None:
    by_settings({PLAIN: {"queue": "slow", "snapshot": ["instance"]}})
    placed.connect(plain)


@pytest.mark.usefixtures("by_entry")
def test_receiver_of_an_entry_is_deferred_with_its_options_and_its_place(
    only: Callable[..., MappedReceiver],
) -> None:
    found = only()
    assert (found.name, found.runs) == (PLAIN, "deferred")
    assert found.place is not None
    assert found.place.file.endswith("tests/support/callables.py")
    assert found.deferral is not None
    assert found.deferral.by_settings
    assert found.deferral.options == {"queue": "slow", "snapshot": ("instance",)}


@pytest.mark.usefixtures("by_entry")
def test_each_form_of_the_map_has_it(mapped: Callable[..., MappedSignal]) -> None:
    found = Selection(signal=f"{HOME}.placed").of(receiver_map())
    assert "snapshot=instance by DEFER\n" in as_table(found)
    assert as_plain(found)["signals"][0]["receivers"][0]["by_settings"] is True
    assert f"{PLAIN}: deferred\n        snapshot=instance\n" in as_listing(found, "")


def test_receiver_of_code_is_not_by_settings(
    placed: Signal, defer: Connected, only: Callable[..., MappedReceiver]
) -> None:
    defer(placed)(plain)
    found = only().deferral
    assert found is not None
    assert not found.by_settings
