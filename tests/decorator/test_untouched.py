"""Signals that nobody defers, and Django's dispatcher, stay as they are."""

import subprocess
import sys

SCRIPT = """
import inspect

import django
from django.conf import settings
from django.dispatch import Signal, receiver

settings.configure(
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "deferred_signals"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
)
django.setup()
from django.contrib.auth.models import Group, User
from django.db.models import signals
from django.db.models.base import Model, ModelBase


def members():
    classes = (Signal, signals.ModelSignal, Model, ModelBase, User, Group)
    return {(owner, name): value for owner in classes for name, value in vars(owner).items()}


def listeners():
    built_in = [item for item in vars(signals).values() if isinstance(item, Signal)]
    return [(item, list(item.receivers)) for item in built_in]


before = members(), listeners()

import deferred_signals
from deferred_signals import changed, receiver as ours

own = Signal()


@ours(own, deferred=True, name="tests.own", weak=False)
def receive(**kwargs): ...


assert (members(), listeners()) == before, "deferring one signal changed others"


@ours(signals.post_save, sender=Group, deferred=True, name="tests.saved", weak=False)
def saved(**kwargs): ...


assert members() == before[0], "deferring patched a class"
assert not signals.post_save.has_listeners(User)
assert [name for name in ("pre_save", "post_init") if getattr(signals, name).has_listeners(Group)] == []


@ours(signals.post_save, sender=Group, deferred=True, when=changed("name"), name="tests.renamed", weak=False)
def renamed(**kwargs): ...


assert not signals.pre_save.has_listeners(User), "changed() follows models that it was not asked about"
assert not signals.post_init.has_listeners(User)
changes = {key for key, value in members().items() if before[0].get(key) is not value}
assert changes == {(Group, "refresh_from_db")}, changes
"""


def test_nothing_is_patched_and_nothing_listens_but_what_was_asked_for() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
