"""Compare what a receiver and its options ask for by name with what its signals send."""

from __future__ import annotations

import inspect
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from deferred_signals.errors import InvalidReceiver
from deferred_signals.receivers.conditions import Changed
from deferred_signals.receivers.naming import needed_by, needed_by_position
from deferred_signals.support.hints import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from deferred_signals.receivers.catalogue import Entry
    from deferred_signals.receivers.options import Options

__all__ = ["problems_of_callables", "problems_of_names", "problems_of_parameters"]

#: What every receiver is called with.
_ALWAYS = frozenset({"sender", "signal"})

#: Parameters that no kwarg is for: they belong to methods, which are refused where they are unbound.
_OWN = frozenset({"cls", "self"})


def problems_of_parameters(
    name: str, function: Callable[..., Any], options: Options, entries: Sequence[Entry]
) -> Iterator[InvalidReceiver]:
    """Tell of parameters that no message could fill, so that each run would fail.

    Arguments:
        name: the receiver's.
        function: the receiver.
        options: its options.
        entries: what the catalogue says of each of its signals.
    """
    for parameter in needed_by_position(function):
        yield InvalidReceiver(
            f"{name!r} takes {parameter!r} by position only, and receivers are called by keyword. "
            f"Remove the / from its signature."
        )
    if options.capture is not None:  # it may give whatever the receiver needs
        return
    needed = [item for item in needed_by(function) if item not in _ALWAYS | _OWN]
    for parameter in needed:
        if parameter in options.exclude:
            yield InvalidReceiver(
                f"{name!r} cannot be called without {parameter!r}, which exclude= leaves out. "
                f"Give the parameter a default, or do not exclude it."
            )
    for entry in entries:
        # Where there is a schema, the receiver is compared with the schema.
        if entry.kwargs is None or options.schema is not None:
            continue
        for parameter in needed:
            if parameter not in _sent_by(entry, options):
                hint = _hint(parameter, _sent_by(entry, options), options)
                yield InvalidReceiver(
                    f"{name!r} cannot be called without {parameter!r}, which receivers of "
                    f"{entry.path} do not get. {hint} If other signals send it, give the parameter "
                    f"a default."
                )


def problems_of_names(
    name: str, options: Options, entries: Sequence[Entry]
) -> Iterator[InvalidReceiver]:
    """Tell of names in options that none of the receiver's signals sends.

    Arguments:
        name: the receiver's.
        options: its options.
        entries: what the catalogue says of each of its signals.
    """
    if not entries or not all(_is_known(entry, options) for entry in entries):
        return
    sent = frozenset[str]().union(*(_sent_by(entry, options) for entry in entries))
    dropped = frozenset[str]().union(*(entry.dropped for entry in entries))
    sources = " or ".join(dict.fromkeys(_source_of(entry, options) for entry in entries))
    asked = {"exclude": options.exclude - dropped, "snapshot": options.snapshot_names - _ALWAYS}
    if options.capture is not None:  # a snapshot may be made of what it gives, too
        del asked["snapshot"]
    for option, names in asked.items():
        for wrong in sorted(names - sent):
            yield InvalidReceiver(
                f"{option}= of {name!r} names {wrong!r}, which is no kwarg of {sources}. "
                f"{_hint(wrong, sent, options)}"
            )
    if options.carry and options.capture is None and "instance" not in sent - options.exclude:
        yield InvalidReceiver(
            f"carry= of {name!r} names attributes of the kwarg 'instance', and the receiver gets "
            f"none from {sources}. Read them at send with capture=."
        )


def problems_of_callables(
    name: str, options: Options, entries: Sequence[Entry]
) -> Iterator[InvalidReceiver]:
    """Tell of options that are callables and cannot be called with what a signal sends.

    ``send()`` would fail, and so would a ``save()`` whose author has never heard of the receiver.

    Arguments:
        name: the receiver's.
        options: its options.
        entries: what the catalogue says of each of its signals.
    """
    for option in _CALLABLES:
        asked = getattr(options, option)
        if not callable(asked) or isinstance(asked, Changed):
            continue
        for entry in entries:
            error = None
            if entry.path in _SENT_IN_FULL:
                # A key is often made by one function for many signals, some of which send more.
                error = _error_of_call(asked, entry.kwargs, in_full=option != "coalesce")
            if error:
                yield InvalidReceiver(
                    f"{option}= of {name!r} is called as {option}(sender, **kwargs) with the "
                    f"kwargs of {entry.path}, and cannot be: {error}. Let it take (sender, "
                    f"**kwargs)."
                )


#: Options that may be asked at each send.
_CALLABLES = ("when", "capture", "coalesce", "queue", "priority", "countdown", "expires")

#: Signals that send all of their kwargs each time.
_SENT_IN_FULL = frozenset(
    {
        "django.contrib.auth.signals.user_logged_in",
        "django.contrib.auth.signals.user_logged_out",
        "django.contrib.auth.signals.user_login_failed",
        "django.db.models.signals.m2m_changed",
        "django.db.models.signals.post_delete",
        "django.db.models.signals.post_save",
        "django.db.models.signals.pre_delete",
    }
)


def _error_of_call(
    asked: Callable[..., Any], names: frozenset[str] | None, *, in_full: bool
) -> TypeError | None:
    try:
        signature = inspect.signature(asked, follow_wrapped=False)
    except (TypeError, ValueError):  # written in C
        return None
    try:
        bind = signature.bind if in_full else signature.bind_partial
        bind(None, **dict.fromkeys(names or ()))
    except TypeError as error:
        return error
    return None


def _is_known(entry: Entry, options: Options) -> bool:
    return entry.kwargs is not None or is_dataclass(options.schema)


def _sent_by(entry: Entry, options: Options) -> frozenset[str]:
    """List the names of the kwargs that may reach a receiver of a signal."""
    if entry.kwargs is not None:
        return entry.kwargs | ({"changes"} if isinstance(options.when, Changed) else set())
    schema: Any = options.schema
    return frozenset(item.name for item in fields(schema))


def _source_of(entry: Entry, options: Options) -> str:
    """Name what the known kwargs are those of, for messages."""
    if entry.kwargs is not None:
        return entry.path
    return f"schema {getattr(options.schema, '__qualname__', options.schema)}"


def _hint(wrong: str, sent: frozenset[str], options: Options) -> str:
    if wrong == "changes" and not isinstance(options.when, Changed):
        return "It comes with when=changed(...)."
    return nearest(wrong, sent) if sent else "It has none."
