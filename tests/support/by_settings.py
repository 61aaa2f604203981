"""`by_settings`: entries of the setting `DEFER`, as of a project that starts with them."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from deferred_signals.decorator import wrapped
from deferred_signals.receivers import foreign, registry
from deferred_signals.receivers.foreign import Foreign

#: Puts entries in force, and gives what becomes of them.
BySettings = Callable[[dict[str, dict[str, Any]]], Foreign]


@pytest.fixture
def by_settings() -> Iterator[BySettings]:
    """Defer what entries name from now on; at the end of the test, forget what they have deferred."""
    known = list(registry.all_receivers())
    before = foreign.put_in_force(Foreign({}))

    def put(entries: dict[str, dict[str, Any]]) -> Foreign:
        wrapped.defer_by_settings(entries)
        return foreign.in_force()

    yield put
    wrapped.unwrap()
    foreign.put_in_force(before)
    for found in list(registry.all_receivers()):
        if found not in known:
            found.forget()
