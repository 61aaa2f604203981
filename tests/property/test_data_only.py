"""The rules of what a message may do, for each tag in each place, and for whatever Hypothesis makes."""

from typing import Any
from zoneinfo import available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.declared import CODEC
from tests.fuzz.oracle import Process, obeys
from tests.fuzz.places import PLACES, message, tags_of
from tests.property.strategies import json_values

TAGS = tags_of(CODEC)

ODD: list[Any] = [None, True, 0, -1, 2**61, "", "x", "os", [], {}, ["os", "system"], ["tests_app.Order", 1, "default"],
       ["tests_app.Touchy", "deleted", "default", {"id": 1}], ["http.HTTPStatus", "OK", 200],
       ["tests.fuzz.declared.Colour", None, 7], ["tests.fuzz.declared.Key", {"order": 1}]]  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize("tag", TAGS)
def test_tag_in_any_place_breaks_no_rule(tag: str) -> None:
    obeys(
        message({"$row": ["tests_app.Order", "saved", "default", {}]}), CODEC
    )  # done once a process
    available_timezones()  # imports helpers of its own at the first use
    before = Process()
    for place in PLACES:
        for odd in ODD:
            obeys(message(place({tag: odd})), CODEC)
    before.check()


@pytest.mark.django_db
@given(st.sampled_from(PLACES), st.sampled_from(TAGS), json_values)
def test_anything_behind_a_tag_in_any_place_breaks_no_rule(
    place: object, tag: str, payload: object
) -> None:
    assert callable(place)
    obeys(message(place({tag: payload}), {tag: payload}), CODEC)
