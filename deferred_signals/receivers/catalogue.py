"""List the built-in signals: which of them can be deferred, and what to use instead of the others."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import django
from django.db.models.signals import ModelSignal

from deferred_signals.errors import InvalidReceiver, SignalNotDeferrable
from deferred_signals.receivers import extractors

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.dispatch import Signal

    from deferred_signals.receivers.options import Options

__all__ = ["CATALOGUE", "Entry", "check", "check_coalesce", "check_durable", "entry_of"]


class Entry(NamedTuple):
    """The verdict on one built-in signal.

    Arguments:
        path: the signal's dotted path.
        verdict: whether it can be deferred, or only with ``opt_in=True``.
        reason: why it is refused or guarded, and what to do instead.
        immediate: messages do not wait for a commit, as the signal tells of work that is rolled
            back.
        extract: turns the kwargs that Django sends into those that travel.
        carries: what reaches the receiver, for the documentation.
        kwargs: names of the kwargs that may reach the receiver; None where nobody knows.
        dropped: names of kwargs that never reach the receiver, though Django sends them, perhaps
            only in a newer version.
    """

    path: str
    verdict: Literal["allowed", "opt-in", "refused"]
    reason: str = ""
    immediate: bool = False
    extract: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    carries: str = "the same kwargs"
    kwargs: frozenset[str] | None = None
    dropped: frozenset[str] = frozenset()


_MODELS = "django.db.models.signals"
_AUTH = "django.contrib.auth.signals"
_ROW = "It is sent for each row that is loaded, on workers too: use post_save."
_TEST_ONLY = "It is sent by tests only, and tells of the state of this process."
_A_REQUEST = "It is sent for each request, so there would be a message for each request."
_A_TASK = "It is sent for each task of django.tasks."
_A_DELETE = frozenset({"instance", "origin", "using"})
_A_USER = frozenset({"request", "user"})
_GONE = "instance as it was, read-only; origin as an equal instance or by its model only"

CATALOGUE = (
    Entry(f"{_MODELS}.pre_init", "refused", _ROW),
    Entry(f"{_MODELS}.post_init", "refused", _ROW),
    Entry(f"{_MODELS}.pre_save", "refused", "The row is not written yet: use post_save."),
    Entry(
        f"{_MODELS}.post_save",
        "allowed",
        carries="the same kwargs; instance as the row is when it runs",
        kwargs=frozenset({"created", "instance", "raw", "update_fields", "using"}),
    ),
    Entry(
        f"{_MODELS}.pre_delete",
        "opt-in",
        "The receiver runs when the row and its relations are gone: use post_delete, which says "
        "the same, or read what is needed of relations at send, with capture=.",
        extract=extractors.deleted,
        carries=_GONE,
        kwargs=_A_DELETE,
    ),
    Entry(
        f"{_MODELS}.post_delete",
        "allowed",
        extract=extractors.deleted,
        carries=_GONE,
        kwargs=_A_DELETE,
    ),
    Entry(
        f"{_MODELS}.m2m_changed",
        "allowed",
        carries="the same kwargs; after a clear, pk_set has the keys that were cleared",
        kwargs=frozenset({"action", "instance", "model", "pk_set", "reverse", "using"})
        | ({"raw"} if django.VERSION >= (6, 1) else set()),
        dropped=frozenset({"raw"} if django.VERSION < (6, 1) else ()),
    ),
    Entry(f"{_MODELS}.class_prepared", "refused", "It is sent while modules are imported."),
    Entry(
        f"{_MODELS}.pre_migrate",
        "refused",
        "Tables may not exist, and workers may run other code: use post_migrate.",
    ),
    Entry(
        f"{_MODELS}.post_migrate",
        "opt-in",
        "It is sent once an app for each `migrate` and each flush of a test database.",
        extract=extractors.migrated,
        carries="app_config, verbosity, interactive, using, plan as (app, name, backwards)",
        kwargs=frozenset({"app_config", "interactive", "plan", "using", "verbosity"}),
        dropped=frozenset({"apps", "stdout"}),
    ),
    Entry(
        "django.core.signals.request_started",
        "opt-in",
        _A_REQUEST,
        extract=extractors.request_begun,
        carries="environ or scope with method, path, addresses, host and user agent",
        kwargs=frozenset({"environ", "scope"}),
    ),
    Entry("django.core.signals.request_finished", "opt-in", _A_REQUEST, kwargs=frozenset()),
    Entry(
        "django.core.signals.got_request_exception",
        "opt-in",
        "It is published at once, in the middle of a request that failed.",
        immediate=True,
        extract=extractors.request_failed,
        carries="request as a RequestSnapshot, exception as an ExceptionSummary",
        kwargs=frozenset({"exception", "request"}),
    ),
    Entry("django.core.signals.setting_changed", "refused", _TEST_ONLY),
    *(
        Entry(
            f"{_AUTH}.{name}",
            "allowed",
            carries="user, request as a RequestSnapshot",
            kwargs=_A_USER,
        )
        for name in ("user_logged_in", "user_logged_out")
    ),
    Entry(
        f"{_AUTH}.user_login_failed",
        "allowed",
        immediate=True,
        extract=extractors.login_failed,
        carries="credentials, cleansed; request as a RequestSnapshot or None",
        kwargs=frozenset({"credentials", "request"}),
    ),
    Entry("django.test.signals.template_rendered", "refused", _TEST_ONLY),
    Entry(
        "django.db.backends.signals.connection_created",
        "refused",
        "A hook registered there is wiped by Django, and workers connect too.",
    ),
    Entry(
        "django.utils.autoreload.autoreload_started",
        "refused",
        "It tells of the development server's own process.",
    ),
    Entry(
        "django.utils.autoreload.file_changed",
        "refused",
        "What a receiver returns decides what happens next.",
    ),
    *(
        Entry(
            f"django.tasks.signals.{name}",
            "opt-in",
            _A_TASK,
            extract=extractors.django_task,
            carries="task_result as a dict of id, status, backend and task",
            kwargs=frozenset({"task_result"}),
        )
        for name in ("task_enqueued", "task_started", "task_finished")
    ),
    *(
        Entry(
            f"deferred_signals.events.{name}",
            "refused",
            "It tells of messages, so each message would make another one, without end.",
        )
        for name in (
            "message_deferred",
            "message_kept",
            "message_published",
            "publish_failed",
            "receiver_started",
            "receiver_ran",
            "receiver_succeeded",
            "receiver_retrying",
            "receiver_discarded",
            "receiver_failed",
        )
    ),
)

_UNLISTED = Entry("", "allowed")


def entry_of(signal: Signal) -> Entry:
    """Return the entry of a signal; signals that are not Django's are allowed."""
    for entry in CATALOGUE:
        module, _, name = entry.path.rpartition(".")
        if module in sys.modules and getattr(sys.modules[module], name, None) is signal:
            return entry
    return _UNLISTED


def check(signal: Signal, *, opt_in: bool) -> Entry:
    """Return the entry of a signal, if the signal may be deferred.

    Raises:
        SignalNotDeferrable: the signal is refused, or needs ``opt_in=True``.
    """
    entry = entry_of(signal)
    if entry.verdict == "refused":
        raise SignalNotDeferrable(f"{entry.path} cannot be deferred. {entry.reason}")
    if entry.verdict == "opt-in" and not opt_in:
        raise SignalNotDeferrable(f"{entry.path} is deferred only with opt_in=True. {entry.reason}")
    return entry


def check_durable(name: str, options: Options, entry: Entry) -> None:
    """Refuse durable delivery for a signal that waits for no commit.

    Arguments:
        name: the receiver's.
        options: its options.
        entry: what the catalogue says of the signal that it is connected to.

    Raises:
        InvalidReceiver: the row would be undone by the transaction that the signal tells of.
    """
    if options.durable and entry.immediate:
        raise InvalidReceiver(
            f"durable=True of {name!r} writes a row in the sender's transaction, and {entry.path} "
            f"does not wait for its commit: the row would be undone with it. Remove the option."
        )
    if options.ordered_by == "instance" and entry.path and "instance" not in (entry.kwargs or ()):
        raise InvalidReceiver(
            f"ordered_by='instance' of {name!r} lets the messages of one row wait for one another, and "
            f"{entry.path} has no instance. Give ordered_by= a callable of (sender, **kwargs) that "
            f"returns a key."
        )


def check_coalesce(name: str, options: Options, signal: Signal, entry: Entry) -> None:
    """Refuse, before anything is connected, what could never be coalesced.

    Arguments:
        name: the receiver's.
        options: its options.
        signal: the signal that it is connected to.
        entry: what the catalogue says of it.

    Raises:
        InvalidReceiver: the signal waits for no commit, or has no instance to coalesce by.
    """
    if options.coalesce and entry.immediate:
        raise InvalidReceiver(
            f"coalesce={options.coalesce!r} of {name!r} merges the sends of one transaction, and "
            f"{entry.path} does not wait for a commit. Remove the option."
        )
    if options.coalesce is True and entry.path and not isinstance(signal, ModelSignal):
        raise InvalidReceiver(
            f"coalesce=True of {name!r} merges the sends for one instance, and {entry.path} has none. "
            f"Give coalesce= a callable of (sender, **kwargs) that returns a key."
        )
