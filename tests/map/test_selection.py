"""A part of the map can be selected, and a name that nothing has is told with the nearest one."""

from typing import Any

import pytest

from deferred_signals.map import ReceiverMap
from deferred_signals.map.selection import NothingSelected, Selection

from .made import deferred, made, signal, sync

POST_SAVE = "django.db.models.signals.post_save"
WHOLE = made(
    signal("blog.signals.published", sync("django.cache.clear"), app="auth"),
    signal(
        POST_SAVE,
        sync("django.contrib.log"),
        deferred("blog.receivers.index", "blog.Post", apps=frozenset({"blog", "auth"})),
        deferred("wagtail.signals.purge", "auth.User", is_own=False),
        sync("shop.receivers.count", "auth.User"),
    ),
    signal("django.core.signals.request_finished", sync("django.db.close")),
    signal("django.db.models.signals.pre_init"),
    signal("shop.signals.order_placed", sync("shop.receivers.pack", "blog.Post"), sync("x.any")),
    signal("shop.signals.order_refused", app="contenttypes"),
)


def selected(found: ReceiverMap) -> dict[str, list[str]]:
    return {
        signal.name.rpartition(".")[2]: [it.name.rpartition(".")[2] for it in signal.receivers]
        for signal in found.signals
    }


ALL = {
    "published": ["clear"],
    "post_save": ["log", "index", "purge", "count"],
    "request_finished": ["close"],
    "pre_init": [],
    "order_placed": ["pack", "any"],
    "order_refused": [],
}
SELECTIONS: list[tuple[dict[str, Any], dict[str, list[str]]]] = [
    ({}, ALL),
    ({"signal": "POST_save"}, {"post_save": ALL["post_save"]}),
    ({"signal": "order_"}, {"order_placed": ["pack", "any"], "order_refused": []}),
    ({"receiver": "shop.receivers"}, {"post_save": ["count"], "order_placed": ["pack"]}),
    ({"sender": "auth.user"}, {"post_save": ["log", "purge", "count"]}),
    ({"sender": "blog.Post"}, {"post_save": ["log", "index"], "order_placed": ["pack", "any"]}),
    ({"app": "auth"}, {"post_save": ["index"]}),
    ({"app": "contenttypes"}, {"order_refused": []}),
    ({"runs": "deferred"}, {"post_save": ["index", "purge"]}),
    ({"runs": "sync", "signal": "post_save"}, {"post_save": ["log", "count"]}),
    (
        {"project": True},
        {
            "post_save": ["index", "purge", "count"],
            "order_placed": ["pack", "any"],
            "order_refused": [],
        },
    ),
    ({"signal": "post_save", "receiver": "pack"}, {}),
]


@pytest.mark.parametrize(("asked", "expected"), SELECTIONS, ids=[str(it) for it, _ in SELECTIONS])
def test_part_is_selected(asked: dict[str, Any], expected: dict[str, list[str]]) -> None:
    assert selected(Selection(**asked).of(WHOLE)) == expected


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"signal": "order_plced"}, "No signal's name has 'order_plced' in it. .*'order_placed'"),
        ({"signal": "shop.signals.order_plced"}, "Did you mean 'shop.signals.order_placed'"),
        ({"sender": "auth.Usr"}, "No sender's name has 'auth.Usr' in it. .*'auth.User'"),
        ({"receiver": "pakc"}, "No receiver's name has 'pakc' in it. Did you mean 'pack'"),
        ({"receiver": "????"}, "Leave the option out to see all names"),
        ({"app": "aut"}, "No app has the label 'aut'. Did you mean 'auth'"),
    ],
)
def test_name_that_nothing_has_is_told_with_the_nearest(asked: dict[str, str], words: str) -> None:
    with pytest.raises(NothingSelected, match=words):
        Selection(**asked).of(WHOLE)  # type: ignore[arg-type]  # which of them are texts
