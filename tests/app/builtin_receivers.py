"""Receivers of every built-in signal that can be deferred: each leaves a row that says what it got.

`connect()` connects them, in the process of a test that needs them and in the test's worker.
"""

import types
from collections.abc import Callable
from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.core.signals import got_request_exception, request_finished, request_started
from django.db.models import Model
from django.db.models.signals import m2m_changed, post_delete, post_migrate, post_save, pre_delete
from django.dispatch import Signal

from deferred_signals import RequestSnapshot, current_message, events, receiver
from deferred_signals.receivers import registry

from .models import Board, Line, Order, Run, Ticket
from .signals import order_placed

ACTIONS = ("post_add", "post_remove", "post_clear")

#: Signal, receiver and options of each.
RECEIVERS: list[tuple[Signal, Callable[..., None], dict[str, Any]]] = []


class View:
    """A sender, as `sender=self` in a view is."""


def on(signal: Signal, **options: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Note a receiver for `connect()`."""

    def note(function: Callable[..., None]) -> Callable[..., None]:
        RECEIVERS.append((signal, function, options))
        return function

    return note


def connect() -> None:
    """Connect all receivers."""
    for signal, function, options in RECEIVERS:
        receiver(signal, deferred=True, **options)(function)
    events.receiver_discarded.connect(note_discarded)
    events.receiver_failed.connect(note_failed)


def disconnect() -> None:
    """Disconnect and forget all receivers."""
    for signal, function, options in RECEIVERS:
        signal.disconnect(function, sender=options.get("sender"))
        found = registry.find(f"{__name__}.{function.__name__}")
        if found is not None:
            registry.discard(found)
    events.receiver_discarded.disconnect(note_discarded)
    events.receiver_failed.disconnect(note_failed)


def note_discarded(sender: str, reason: str, **kwargs: object) -> None:
    """Leave a row for a message that was dropped on purpose."""
    Run.log("discarded", of=sender, reason=reason)


def note_failed(sender: str, exception: Exception, reason: str, **kwargs: object) -> None:
    """Leave a row for a message that was given up."""
    Run.log("failed", of=sender, error=type(exception).__name__, text=str(exception), reason=reason)


def leave(name: str, **values: object) -> None:
    """Leave a row that describes what a receiver got."""
    message = current_message()
    assert message is not None
    Run.log(
        name, message.id, message.attempt, **{key: described(item) for key, item in values.items()}
    )


def described(value: object) -> Any:
    """Describe a value, for JSON."""
    if isinstance(value, Model):
        return [value._meta.label, str(value.pk), "adding" if value._state.adding else "there"]
    if isinstance(value, RequestSnapshot):
        return [value.method, value.path, value.user_agent, described(value.user)]
    if isinstance(value, (type, types.FunctionType)):
        return f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, (set, frozenset)):
        return sorted(f"{type(item).__name__} {item}" for item in value)
    if value is None or isinstance(value, (str, int)):
        return value
    return repr(value)


@on(post_save, sender=Order)
def saved(sender: object, instance: Order, created: bool, **kwargs: Any) -> None:
    """Receive `post_save`."""
    leave("saved", sender=sender, instance=instance, created=created, status=instance.status,
          update_fields=kwargs["update_fields"], raw=kwargs["raw"])  # fmt: skip


@on(post_delete, sender=Order)
def deleted(sender: object, instance: Order, **kwargs: Any) -> None:
    """Receive `post_delete`: the row is gone, its fields are there, and saving is refused."""
    refusal = ""
    try:
        instance.save()
    except TypeError as error:
        refusal = str(error)
    leave("deleted", sender=sender, instance=instance, status=instance.status, refusal=refusal,
          gone=not Order.objects.filter(pk=instance.pk).exists(),
          origin_is_instance=kwargs["origin"] == instance)  # fmt: skip


@on(post_delete, sender=Line)
def deleted_line(sender: object, instance: Line, **kwargs: Any) -> None:
    """Receive `post_delete` in a cascade: the relation's row is gone as well."""
    leave("deleted_line", status=instance.order.status)


@on(pre_delete, sender=Ticket, opt_in=True)
def deleting(sender: object, instance: Ticket, **kwargs: Any) -> None:
    """Receive `pre_delete`."""
    leave("deleting", sender=sender, instance=instance, subject=instance.subject)


def related(sender: object, action: str, **kwargs: Any) -> None:
    """Receive `m2m_changed`."""
    leave("related", action=action, sender=sender, instance=kwargs["instance"],
          model=kwargs["model"], reverse=kwargs["reverse"], pk_set=kwargs["pk_set"])  # fmt: skip


for _through in (Order.labels.through, Board.tickets.through):
    on(m2m_changed, sender=_through, actions=ACTIONS)(related)


@on(post_migrate, opt_in=True)
def migrated(sender: Any, app_config: Any, **kwargs: Any) -> None:
    """Receive `post_migrate`."""
    leave("migrated", sender=sender.label, app=app_config.label, plan=kwargs.get("plan"),
          left_out=not {"stdout", "apps"} & kwargs.keys(), using=kwargs["using"])  # fmt: skip


@on(request_started, opt_in=True)
def started(sender: object, environ: dict[str, Any], **kwargs: Any) -> None:
    """Receive `request_started`."""
    leave("started", sender=sender, path=environ["PATH_INFO"], keys=set(environ))


@on(request_finished, opt_in=True)
def finished(sender: object, **kwargs: Any) -> None:
    """Receive `request_finished`."""
    leave("finished", sender=sender)


@on(got_request_exception, opt_in=True)
def broke(sender: object, request: RequestSnapshot, exception: Any, **kwargs: Any) -> None:
    """Receive `got_request_exception`."""
    leave("broke", sender=sender, request=request, type=exception.type, message=exception.message)


@on(user_logged_in)
def logged_in(sender: object, user: Any, request: RequestSnapshot, **kwargs: Any) -> None:
    """Receive `user_logged_in`."""
    leave("logged_in", sender=sender, user=user, request=request)


@on(user_logged_out)
def logged_out(sender: object, user: Any, request: RequestSnapshot, **kwargs: Any) -> None:
    """Receive `user_logged_out`."""
    leave("logged_out", sender=sender, user=user, request=request)


@on(user_login_failed)
def login_failed(sender: object, credentials: dict[str, Any], **kwargs: Any) -> None:
    """Receive `user_login_failed`."""
    leave("login_failed", sender=sender, request=kwargs["request"], credentials=repr(credentials))


@on(order_placed)
def placed(sender: object, order_id: int, **kwargs: Any) -> None:
    """Receive the signal of a third party."""
    leave("placed", sender=sender, order_id=order_id)
