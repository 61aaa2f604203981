"""Validate what one use of ``receiver(..., deferred=True)`` declares, before anything is connected."""

from __future__ import annotations

from collections.abc import Generator
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

from django.apps import apps
from django.db.models.signals import ModelSignal
from django.dispatch import Signal

from deferred_signals import conf
from deferred_signals.errors import ConfigurationError, DuplicateReceiver, InvalidReceiver
from deferred_signals.receivers import catalogue, registry
from deferred_signals.receivers.arguments import (
    problems_of_callables,
    problems_of_names,
    problems_of_parameters,
)
from deferred_signals.receivers.conditions import Changed
from deferred_signals.receivers.connections import Connection, connected_by
from deferred_signals.receivers.given import sound_options
from deferred_signals.receivers.naming import accepts_kwargs, identity, name_of
from deferred_signals.receivers.options import policy_of
from deferred_signals.receivers.receiver import Receiver
from deferred_signals.receivers.refusals import Refusals
from deferred_signals.receivers.schemas import problems_of_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from deferred_signals.receivers.catalogue import Entry
    from deferred_signals.receivers.options import Options

__all__ = ["Declaration", "declared", "senders_of"]


class Declaration(NamedTuple):
    """A receiver that may be deferred, and what it is to be connected to."""

    function: Callable[..., Any]
    name: str
    options: Options
    connections: list[tuple[Connection, Entry]]
    weak: bool


def declared(
    function: Callable[..., Any], signals: Sequence[Any], given: Mapping[str, Any]
) -> Declaration:
    """Return the declaration, if nothing of it is to be refused.

    Arguments:
        function: the receiver.
        signals: its signals.
        given: its options, with those of ``Signal.connect``.

    Raises:
        RegistrationError, ConfigurationError: all that is wrong with it, in one error.
    """
    refusals = Refusals()
    sound_name = refusals.ask(name_of, function, given.get("name"))
    name = str(sound_name or getattr(function, "__qualname__", repr(function)))
    options = sound_options(given, refusals)
    is_sure = not refusals or _UNSURE.isdisjoint(given)
    refusals.ask(_check_policy, options)
    refusals.ask(_check_outbox, options)
    known = list(_known(name, signals, refusals, opt_in=bool(given.get("opt_in"))))
    entries = [entry for _signal, entry in known]
    if callable(function):
        refusals.add(*_problems_of_function(name, function, options, entries, is_sure=is_sure))
    before = _entries_before(name, function) if options.names_kwargs else []
    refusals.add(*problems_of_names(name, options, [*entries, *before]))
    refusals.add(*problems_of_callables(name, options, entries))
    for signal, entry in known:
        refusals.ask(catalogue.check_coalesce, name, options, signal, entry)
        refusals.ask(catalogue.check_durable, name, options, entry)
    uid = refusals.ask(_uid_of, function, given.get("dispatch_uid"))
    senders = refusals.ask(senders_of, given.get("sender")) or []
    connections = [
        (Connection(signal, sender, uid), entry)
        for (signal, entry), sender in product(known, senders)
    ]
    for connection, entry in connections:
        refusals.ask(_check_connection, name, function, options, connection, entry)
    refusals.raise_found(f"{name!r} cannot be deferred as it is declared")
    return Declaration(function, name, options, connections, weak=bool(given.get("weak", True)))


def _check_policy(options: Options) -> None:
    """Refuse the name of a policy that the settings do not have.

    The system checks tell what is wrong with the settings themselves, all at once. An error while
    apps load would be a traceback, and would hide the others.
    """
    try:
        conf.current()
    except ConfigurationError:
        return
    policy_of(options)


def _check_outbox(options: Options) -> None:
    """Refuse durable delivery without the app for it; while apps load nobody knows which there are."""
    if options.durable and apps.apps_ready and not apps.is_installed("deferred_signals.outbox"):
        raise ConfigurationError(
            "durable=True needs the app that keeps the messages. Add 'deferred_signals.outbox' to "
            "INSTALLED_APPS, and run migrate."
        )
    for name in ("atomic", "ordered_by"):
        is_asked = getattr(options, name) and options.durable is None
        if is_asked and not _is_durable_by_settings():
            raise InvalidReceiver(
                f"{name}={getattr(options, name)!r} needs durable delivery, and the setting DURABLE is "
                f"False. Give durable=True."
            )


def _is_durable_by_settings() -> bool:
    try:
        return conf.current().DURABLE
    except ConfigurationError:  # the system checks tell of it
        return True


#: Options that decide which kwargs a receiver gets. Where one of them is wrong, nobody can say.
_UNSURE = frozenset({"capture", "exclude", "schema", "when"})


def senders_of(sender: Any) -> list[Any]:
    """List the senders that ``sender=`` names: one, or those of a list.

    Raises:
        InvalidReceiver: it is a list of none, or has something in it that is no single sender.
    """
    if not isinstance(sender, _LISTS):
        return [sender]
    senders = list(sender)
    if not senders:
        raise InvalidReceiver(
            "sender is an empty list, so the receiver would never be called. For all senders, "
            "leave it out."
        )
    for item in senders:
        if item is None or isinstance(item, _LISTS):
            raise InvalidReceiver(
                f"A list given as sender has one sender an item, got {item!r} in it."
                + (" For all senders, leave sender= out." if item is None else "")
            )
    return senders


#: What is taken for several senders; a generator is what ``AppConfig.get_models()`` gives.
_LISTS = (list, tuple, set, frozenset, Generator)


def _known(
    name: str, signals: Sequence[Any], refusals: Refusals, *, opt_in: bool
) -> Iterator[tuple[Signal, Entry]]:
    """Give what is a signal, with its entry in the catalogue; refuse what is none."""
    if not signals:
        refusals.add(InvalidReceiver(f"{name!r} was given an empty list of signals."))
    for signal in signals:
        if isinstance(signal, Signal):
            refusals.ask(catalogue.check, signal, opt_in=opt_in)
            yield signal, catalogue.entry_of(signal)
        else:
            celerys = type(signal).__module__.startswith("celery.")
            refusals.add(
                InvalidReceiver(
                    f"{name!r} can listen to a django.dispatch.Signal, got {signal!r}."
                    + (" Celery's signals have a dispatcher of their own." if celerys else "")
                )
            )


def _problems_of_function(
    name: str,
    function: Callable[..., Any],
    options: Options,
    entries: Sequence[Entry],
    *,
    is_sure: bool,
) -> Iterator[InvalidReceiver]:
    if hasattr(function.__class__, "apply_async"):  # which a proxy of Celery's tells of its task
        yield InvalidReceiver(
            f"{name!r} is a Celery task already, and a deferred receiver becomes a task of its own. "
            f"Connect the plain function."
        )
    elif not accepts_kwargs(function):
        yield InvalidReceiver(
            f"{name!r} must accept **kwargs, as every signal receiver: senders add arguments."
        )
    elif is_sure:
        yield from problems_of_parameters(name, function, options, entries)
    if options.schema is not None:
        alone = options.capture is None and is_sure
        yield from problems_of_schema(name, function, options.schema, entries, alone=alone)


def _entries_before(name: str, function: Callable[..., Any]) -> list[Entry]:
    """List the catalogue's entries of the signals that the same receiver listens to already."""
    present = registry.find(name)
    if present is None or identity(present.function) != identity(function):
        return []
    return [catalogue.entry_of(signal) for signal in present.signals]


def _uid_of(function: Callable[..., Any], given: Any) -> object:
    """Return the ``dispatch_uid`` of the connections."""
    try:
        hash(given)
    except TypeError:
        raise InvalidReceiver(f"dispatch_uid must be hashable, got {given!r}.") from None
    return given or identity(function)


def _check_connection(
    name: str,
    function: Callable[..., Any],
    options: Options,
    connection: Connection,
    entry: Entry,
) -> None:
    """Refuse what Django would refuse while it connects, and what it would ignore.

    Raises:
        InvalidReceiver: the sender or the condition does not fit, or Django would ignore the call.
        DuplicateReceiver: Django would ignore it, as the function is connected under another name.
    """
    signal, sender, uid = connection
    if isinstance(signal, ModelSignal):
        _check_sender(sender, entry)
    if isinstance(options.when, Changed):
        options.when.check(signal, sender)
    present = connected_by(connection)
    if present is not None and identity(present) == identity(function):
        raise InvalidReceiver(
            f"{function!r} is connected to {entry.path or signal!r} without deferred=True, and "
            f"Django ignores a second connection. Disconnect the first one before."
        )
    if not isinstance(present, Receiver) or uid != identity(function):
        return
    if present.is_for(function) and present.name != name:
        raise DuplicateReceiver(
            f"{function!r} is connected to {entry.path or signal!r} as {present.name!r} already, and "
            f"Django ignores a second connection. Give this one a dispatch_uid=."
        )


def _check_sender(sender: Any, entry: Entry) -> None:
    if isinstance(sender, str):
        label, _, name = sender.partition(".")
        if not label.isidentifier() or not name.isidentifier():
            raise InvalidReceiver(
                f"A sender that is given by name is 'app_label.ModelName', got {sender!r}."
            )
    elif isinstance(getattr(sender, "through", None), type):  # the attribute of a relation
        raise InvalidReceiver(
            f"{entry.path or 'The signal'} is sent by model classes, got {sender!r} as sender. "
            f"Give its .through."
        )
