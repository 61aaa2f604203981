"""Values that a message may carry, for Hypothesis."""

import zoneinfo
from datetime import UTC, timedelta, timezone
from typing import Any

from hypothesis import strategies as st

zones = st.one_of(
    st.none(),
    st.just(UTC),
    st.integers(min_value=-1439, max_value=1439).map(
        lambda minutes: timezone(timedelta(minutes=minutes))
    ),
    st.sampled_from(["Europe/Berlin", "America/St_Johns", "UTC", "Asia/Kathmandu"]).map(
        zoneinfo.ZoneInfo
    ),
)

#: Any text, with surrogates, NUL, and what looks like our own tags.
texts = st.one_of(
    st.text(st.characters()),
    st.text(st.characters(min_codepoint=0xD7F0, max_codepoint=0xE010)),
    st.sampled_from(["", "$", "$set", "$dict", "$ref", "$int", "__type__", "\0"]),
)

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=2**62, max_value=2**66),
    st.floats(allow_nan=False),
    texts,
    st.binary(),
    st.decimals(allow_nan=False),
    st.uuids(),
    st.dates(),
    st.timedeltas(),
    st.datetimes(timezones=zones),
    st.times(timezones=st.sampled_from([None, UTC])),
    st.tuples(st.datetimes(), st.sampled_from([0, 1])).map(lambda two: two[0].replace(fold=two[1])),
)

hashable: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(tuple), st.frozensets(inner, max_size=3)
    ),
    max_leaves=4,
)


def containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Nest values one level deeper."""
    return st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.sets(hashable, max_size=4),
        st.frozensets(hashable, max_size=4),
        st.dictionaries(texts, inner, max_size=4),
        st.dictionaries(hashable, inner, max_size=4),
    )


values: st.SearchStrategy[Any] = st.recursive(scalars, containers, max_leaves=12)

#: Any JSON: what a broken or hostile sender may put in a message.
json_values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(texts, inner, max_size=3),
    ),
    max_leaves=10,
)
