"""The Celery task of each deferred receiver: where a message arrives and its next attempt leaves.

A task is a thin body around `executor.execute` that finds its receiver by name when it runs, so
that a module reload reaches it too. Waits and attempts are ours; Celery is told of them in its
own words (``RETRY``, ``FAILURE``, ``IGNORED``), so that Flower and exporters show them.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from billiard import current_process
from celery import current_app, shared_task
from celery.exceptions import Ignore, Reject, Retry

from deferred_signals import conf
from deferred_signals.errors import DecodeError, Discard, InvalidReceiver, RedeliveredTooOften
from deferred_signals.running import executor
from deferred_signals.running.parking import CannotPublish, Origin, park
from deferred_signals.running.seals import break_seal, put_seal
from deferred_signals.wire import pack, unpack

if TYPE_CHECKING:
    from celery import Task
    from celery.app.task import Context

    from deferred_signals.message import Message
    from deferred_signals.registry import Receiver

__all__ = [
    "argsrepr",
    "declare",
    "publish_next",
    "run_message",
    "task_of",
    "translate",
]

#: Seconds before a message that could not be published anew goes back to a broker in trouble.
PAUSE = 1.0

#: Task attributes that are set for every receiver: attempts are counted by us, in the parent, and
#: not by requeueing (see `deferred_signals.running.request`).
FIXED = {
    "bind": True,
    "Request": "deferred_signals.running.request:ReceiverRequest",
    "max_retries": None,
    "reject_on_worker_lost": False,
    "retry_on_worker_lost": False,
    "typing": False,
}

#: Options that are attributes of the task; None leaves a choice to Celery's settings.
ATTRIBUTES = (
    "rate_limit",
    "ignore_result",
    "acks_late",
    "track_started",
    "throws",
    "send_events",
    "serializer",
)

_declared: set[str] = set()


def declare(receiver: Receiver) -> None:
    """Make the receiver's tasks, one a name: on every app, as ``shared_task`` does."""
    for name in (receiver.name, *receiver.options.aliases):
        if name in _declared:
            _update(name, receiver)
            continue
        make: Any = shared_task  # its stubs know one shape of arguments at a time
        make(name=name, **FIXED, **_attributes(receiver))(_body(receiver))
        _declared.add(name)


def task_of(name: str) -> Task[Any, Any]:
    """The task of a receiver, on the current app."""
    return current_app.tasks[name]


def argsrepr(message: Message) -> str:
    """What logs and monitors may see of a message's arguments: their names."""
    return f"({', '.join(message.kwargs)})"


def translate(error: Exception) -> Exception:
    """Celery's control flow, raised by a receiver, in our terms."""
    if isinstance(error, Ignore):
        return Discard("Celery's Ignore was raised")
    if isinstance(error, (Retry, Reject)):
        name = type(error).__name__
        return InvalidReceiver(
            f"The receiver raised Celery's {name}, which would count attempts beside ours: "
            f"raise deferred_signals.{'RetryLater' if name == 'Retry' else 'Discard'} instead."
        )
    return error


def run_message(task: Task[Any, Any], request: Context, payload: object) -> None:
    """The body of every task.

    Arguments:
        task: of the receiver.
        request: Celery's, of the message that brought the payload.
        payload: the message's text.

    Raises:
        celery.exceptions.TaskPredicate: how the attempt ended, told in Celery's words.
        Exception: the receiver's own, when the message is given up.
    """
    try:
        message = unpack(payload)
    except DecodeError as error:
        executor.settle_malformed(task.name, error)
        raise
    try:
        if executor.unknown(message):
            park(message, pack(message), Origin.of_request(request))
            raise Ignore
        outcome = _admit(task, request, message) or _execute(message)
        if isinstance(outcome, executor.Retrying):
            publish_next(task, request, message.next_attempt(), outcome.wait)
    except CannotPublish as error:
        time.sleep(PAUSE)
        raise Reject(str(error.__cause__), requeue=True) from error
    executor.settle(message, outcome)
    match outcome:
        case executor.Retrying(exception, wait):
            when: Any = wait  # its stubs want numbers.Real, which float is not to a type checker
            raise Retry(exc=_as_exception(exception), when=when)
        case executor.Discarded():
            raise Ignore
        case executor.Failed(exception):
            raise _as_exception(exception)


def _execute(message: Message) -> executor.Outcome:
    """Run an attempt; where no parent would see this process end, ``sys.exit()`` is a failure."""
    try:
        return executor.execute(message, translate)
    except SystemExit as error:
        # In a child it may be Celery's own, by SIGTERM, and the parent charges what it ends; the
        # exceptions that shut a worker down are derived from SystemExit.
        if type(error) is not SystemExit or current_process().name != "MainProcess":
            raise
        return executor.charge(message, error)


def publish_next(
    task: Task[Any, Any], request: Context, message: Message, wait: float | None
) -> None:
    """Publish a message anew under its id, to the queue and with the options it came with.

    Raises:
        CannotPublish: the broker did not take it.
    """
    signature = task.signature_from_request(
        request,
        args=(pack(message),),
        kwargs={},
        countdown=wait,
        retries=message.attempt - 1,
        argsrepr=argsrepr(message),
        kwargsrepr="{}",
    )
    try:
        signature.apply_async()
    except Exception as error:
        raise CannotPublish from error


def _admit(task: Task[Any, Any], request: Context, message: Message) -> executor.Outcome | None:
    """None where the message may run now; else it was given out again, and this is what follows."""
    redelivered = bool((request.delivery_info or {}).get("redelivered"))
    if not redelivered and not message.redeliveries:
        return None
    limit = conf.current().MAX_REDELIVERIES
    again = message.redelivered()
    try:
        unbroken = bool(message.redeliveries) and break_seal(message)
        if unbroken or not redelivered:
            return None
        if again.redeliveries <= limit:
            put_seal(again)
    except Exception as error:
        raise CannotPublish from error
    if again.redeliveries > limit:
        poisonous = RedeliveredTooOften(f"{message.receiver!r} was redelivered {limit + 1} times.")
        return executor.Failed(poisonous, "it takes whole workers down, it seems")
    publish_next(task, request, again, None)
    raise Ignore


def _body(receiver: Receiver) -> Any:
    def run(self: Task[Any, Any], *args: object) -> None:
        run_message(self, self.request, args[0] if len(args) == 1 else args)

    function = receiver.function
    for name in ("__module__", "__name__", "__qualname__", "__doc__"):
        value = getattr(function, name, None) or getattr(type(function), name, None)
        # Celery compiles a function of this name, which "<lambda>" would not let it.
        if isinstance(value, str) and (name != "__name__" or value.isidentifier()):
            setattr(run, name, value)
    return run


def _attributes(receiver: Receiver) -> dict[str, Any]:
    options = receiver.options
    found = {name: getattr(options, name) for name in ATTRIBUTES}
    given = {name: value for name, value in found.items() if value is not None}
    return given if options.base is None else {**given, "base": options.base}


def _update(name: str, receiver: Receiver) -> None:
    """A reloaded module's receiver may have other options than its predecessor."""
    task = current_app.tasks.get(name)
    if task is not None:
        for attribute in ATTRIBUTES:
            setattr(type(task), attribute, getattr(receiver.options, attribute))
        task.bind(current_app)  # which fills what is None from Celery's settings


def _as_exception(error: BaseException) -> Exception:
    return error if isinstance(error, Exception) else RuntimeError(repr(error))
