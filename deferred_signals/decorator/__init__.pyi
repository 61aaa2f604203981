# What type checkers and editors see: each option as a parameter, and what it means on one line, which
# editors show beside it. Tests compare both with the table in `deferred_signals.receivers.options`.

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias, TypeVar, overload

from django.db.models import Model
from django.dispatch import Signal

from deferred_signals.decorator.connected import DeferredReceiver as DeferredReceiver
from deferred_signals.policies import Retry

_F = TypeVar("_F", bound=Callable[..., Any])
Call: TypeAlias = Callable[..., Any]

@overload
def receiver(
    signal: Signal | list[Signal] | tuple[Signal, ...],
    *,
    deferred: Literal[True],
    sender: type[Model] | str | Sequence[type[Model] | str] | object | None = None,
    weak: bool = True,
    dispatch_uid: object = None,
    name: str | None = None,
    aliases: Sequence[str] = (),
    when: Call | None = None,
    raw: bool = False,
    actions: Sequence[str] = ...,
    opt_in: bool = False,
    exclude: Sequence[str] = ...,
    exclude_fields: Sequence[str] = ...,
    carry: Sequence[str] = (),
    capture: Call | None = None,
    snapshot: bool | Sequence[str] = False,
    schema: type | None = None,
    version: int = 1,
    using: str | None = None,
    durable: bool | None = None,
    ordered_by: str | Call | None = None,
    coalesce: bool | Call = False,
    chunk_size: int = 1,
    queue: str | Call | None = None,
    priority: int | Call | None = None,
    countdown: float | timedelta | Call | None = None,
    expires: float | timedelta | datetime | Call | None = None,
    time_limit: float | timedelta | None = None,
    soft_time_limit: float | timedelta | None = None,
    headers: Mapping[str, Any] | None = None,
    compression: str | None = None,
    upgrade: Call | None = None,
    atomic: bool = False,
    missing: Literal["discard", "retry", "fail"] | None = None,
    retry: Retry | str | None = ...,
    rate_limit: str | float | None = None,
    ignore_result: bool = True,
    acks_late: bool = True,
    track_started: bool | None = None,
    throws: type[BaseException] | Sequence[type[BaseException]] = (),
    base: type | None = None,
    send_events: bool = True,
    serializer: str | None = None,
) -> Callable[[_F], _F]:
    """Connect a receiver that a Celery worker runs after the commit.

    Arguments:
        signal: one signal, or a list or tuple of them.
        deferred: whether a worker runs the receiver.
        sender: a sender, as in ``Signal.connect``, or a list of them.
        weak: whether the receiver may be forgotten, as in ``Signal.connect``.
        dispatch_uid: what tells the connection from others, as in ``Signal.connect``.
        name: the name of the receiver and of its Celery task; without one, its dotted path.
        aliases: earlier names: messages under them still find the receiver.
        when: ``when(sender, **kwargs)`` is asked at send; nothing is deferred where the answer is falsy.
        raw: whether sends with ``raw=True`` (fixtures) are deferred.
        actions: the actions of ``m2m_changed`` that are deferred.
        opt_in: whether to listen to a signal that is early, noisy or heavy.
        exclude: kwargs that are left out of the message.
        exclude_fields: model fields that are left out of snapshots and of ``changes``.
        carry: attributes of the instance, other than fields, that travel with it.
        capture: ``capture(sender, **kwargs)`` runs at send; its dict joins the receiver's kwargs.
        snapshot: instances, all or the named ones, travel as their values at send.
        schema: a dataclass that the signal's kwargs must fit.
        version: the version of the receiver's kwargs.
        using: the alias of the database whose commit is waited for.
        durable: whether messages are rows, written by the sender's transaction; None: the setting DURABLE.
        ordered_by: messages of one key run one after another; needs durable delivery.
        coalesce: several sends in one transaction, for one instance or one key, become one message.
        chunk_size: up to so many calls of one transaction travel in one message.
        queue: the queue of its messages; without one, the setting QUEUE or Celery's routes decide.
        priority: the priority of its messages on the broker, from 0 to 255.
        countdown: seconds or a timedelta: the receiver runs no earlier than so long after the send.
        expires: seconds or a timedelta from the send, or a datetime: the receiver runs no later.
        time_limit: seconds or a timedelta: a run that takes longer is killed.
        soft_time_limit: seconds or a timedelta: a run that takes longer gets SoftTimeLimitExceeded.
        headers: further headers of Celery's message.
        compression: kombu's compression of Celery's message, like 'gzip'.
        upgrade: ``upgrade(version, kwargs)`` mends the kwargs of an older version.
        atomic: the receiver's writes and the end of its row are one transaction; needs durable delivery.
        missing: what follows where a referenced row is gone: 'discard', 'retry' or 'fail'.
        retry: when a failed run is tried again: a Retry, a policy's name, or None for one attempt.
        rate_limit: Celery's rate limit of each worker, like '10/m'.
        ignore_result: whether Celery stores no result.
        acks_late: whether a message is acknowledged after its run.
        track_started: whether Celery reports that a run began.
        throws: exceptions that Celery logs without a traceback.
        base: the class of the receiver's Celery task.
        send_events: whether Celery sends task events.
        serializer: kombu's serializer of Celery's message.
    """

@overload
def receiver(
    signal: Signal | list[Signal] | tuple[Signal, ...],
    *,
    deferred: bool = False,
    sender: object | None = None,
    weak: bool = True,
    dispatch_uid: object = None,
) -> Callable[[_F], _F]:
    """Connect a receiver as Django does; all options but these need ``deferred=True``.

    Arguments:
        signal: one signal, or a list or tuple of them.
        deferred: whether a worker runs the receiver.
        sender: a sender, as in ``Signal.connect``.
        weak: whether the receiver may be forgotten, as in ``Signal.connect``.
        dispatch_uid: what tells the connection from others, as in ``Signal.connect``.
    """

@overload
def connect(
    signal: Signal | list[Signal] | tuple[Signal, ...],
    function: _F,
    *,
    deferred: Literal[True] = True,
    sender: type[Model] | str | Sequence[type[Model] | str] | object | None = None,
    weak: bool = True,
    dispatch_uid: object = None,
    name: str | None = None,
    aliases: Sequence[str] = (),
    when: Call | None = None,
    raw: bool = False,
    actions: Sequence[str] = ...,
    opt_in: bool = False,
    exclude: Sequence[str] = ...,
    exclude_fields: Sequence[str] = ...,
    carry: Sequence[str] = (),
    capture: Call | None = None,
    snapshot: bool | Sequence[str] = False,
    schema: type | None = None,
    version: int = 1,
    using: str | None = None,
    durable: bool | None = None,
    ordered_by: str | Call | None = None,
    coalesce: bool | Call = False,
    chunk_size: int = 1,
    queue: str | Call | None = None,
    priority: int | Call | None = None,
    countdown: float | timedelta | Call | None = None,
    expires: float | timedelta | datetime | Call | None = None,
    time_limit: float | timedelta | None = None,
    soft_time_limit: float | timedelta | None = None,
    headers: Mapping[str, Any] | None = None,
    compression: str | None = None,
    upgrade: Call | None = None,
    atomic: bool = False,
    missing: Literal["discard", "retry", "fail"] | None = None,
    retry: Retry | str | None = ...,
    rate_limit: str | float | None = None,
    ignore_result: bool = True,
    acks_late: bool = True,
    track_started: bool | None = None,
    throws: type[BaseException] | Sequence[type[BaseException]] = (),
    base: type | None = None,
    send_events: bool = True,
    serializer: str | None = None,
) -> _F:
    """Connect a function that a Celery worker runs after the commit, and return the function.

    Arguments:
        signal: one signal, or a list or tuple of them.
        function: the receiver.
        deferred: whether a worker runs the receiver.
        sender: a sender, as in ``Signal.connect``, or a list of them.
        weak: whether the receiver may be forgotten, as in ``Signal.connect``.
        dispatch_uid: what tells the connection from others, as in ``Signal.connect``.
        name: the name of the receiver and of its Celery task; without one, its dotted path.
        aliases: earlier names: messages under them still find the receiver.
        when: ``when(sender, **kwargs)`` is asked at send; nothing is deferred where the answer is falsy.
        raw: whether sends with ``raw=True`` (fixtures) are deferred.
        actions: the actions of ``m2m_changed`` that are deferred.
        opt_in: whether to listen to a signal that is early, noisy or heavy.
        exclude: kwargs that are left out of the message.
        exclude_fields: model fields that are left out of snapshots and of ``changes``.
        carry: attributes of the instance, other than fields, that travel with it.
        capture: ``capture(sender, **kwargs)`` runs at send; its dict joins the receiver's kwargs.
        snapshot: instances, all or the named ones, travel as their values at send.
        schema: a dataclass that the signal's kwargs must fit.
        version: the version of the receiver's kwargs.
        using: the alias of the database whose commit is waited for.
        durable: whether messages are rows, written by the sender's transaction; None: the setting DURABLE.
        ordered_by: messages of one key run one after another; needs durable delivery.
        coalesce: several sends in one transaction, for one instance or one key, become one message.
        chunk_size: up to so many calls of one transaction travel in one message.
        queue: the queue of its messages; without one, the setting QUEUE or Celery's routes decide.
        priority: the priority of its messages on the broker, from 0 to 255.
        countdown: seconds or a timedelta: the receiver runs no earlier than so long after the send.
        expires: seconds or a timedelta from the send, or a datetime: the receiver runs no later.
        time_limit: seconds or a timedelta: a run that takes longer is killed.
        soft_time_limit: seconds or a timedelta: a run that takes longer gets SoftTimeLimitExceeded.
        headers: further headers of Celery's message.
        compression: kombu's compression of Celery's message, like 'gzip'.
        upgrade: ``upgrade(version, kwargs)`` mends the kwargs of an older version.
        atomic: the receiver's writes and the end of its row are one transaction; needs durable delivery.
        missing: what follows where a referenced row is gone: 'discard', 'retry' or 'fail'.
        retry: when a failed run is tried again: a Retry, a policy's name, or None for one attempt.
        rate_limit: Celery's rate limit of each worker, like '10/m'.
        ignore_result: whether Celery stores no result.
        acks_late: whether a message is acknowledged after its run.
        track_started: whether Celery reports that a run began.
        throws: exceptions that Celery logs without a traceback.
        base: the class of the receiver's Celery task.
        send_events: whether Celery sends task events.
        serializer: kombu's serializer of Celery's message.
    """

@overload
def connect(
    signal: Signal | list[Signal] | tuple[Signal, ...],
    function: _F,
    *,
    deferred: bool,
    sender: object | None = None,
    weak: bool = True,
    dispatch_uid: object = None,
) -> _F:
    """Connect a function as Django does, and return it; all options but these need ``deferred=True``.

    Arguments:
        signal: one signal, or a list or tuple of them.
        function: the receiver.
        deferred: whether a worker runs the receiver.
        sender: a sender, as in ``Signal.connect``.
        weak: whether the receiver may be forgotten, as in ``Signal.connect``.
        dispatch_uid: what tells the connection from others, as in ``Signal.connect``.
    """
