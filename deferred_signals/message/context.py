"""Take along what surrounds a send, by the carriers of the setting ``CONTEXT``, and restore it.

A carrier that fails is logged, and the message goes on without that carrier's value. A carrier that
is ``required`` ends the send, or the attempt. See `deferred_signals.context.Carrier`.
"""

from __future__ import annotations

import json
import logging
import threading
from contextlib import ExitStack, contextmanager, nullcontext
from contextvars import Context, copy_context
from functools import cache
from typing import TYPE_CHECKING, Any

from asgiref.local import Local
from django.core.signals import request_finished
from django.dispatch import receiver
from django.utils.module_loading import import_string

from deferred_signals import conf
from deferred_signals.errors import ContextNotRestored, SerializationError
from deferred_signals.support.asking import Raised
from deferred_signals.support.forks import unforked
from deferred_signals.support.records import about
from deferred_signals.support.telling import log

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from types import TracebackType

    from deferred_signals.context import Carrier

__all__ = ["restored", "taken"]

logger = logging.getLogger("deferred_signals")


def taken(settings: conf.Settings) -> dict[str, Any]:
    """Ask all carriers of the settings what to take along; the caller must not write into the dict.

    Raises:
        Raised: by a carrier that is required.
    """
    here = copy_context()
    if _latest.settings is settings and _is_same(_latest.context, here):
        return _latest.found
    found = {}
    lasting = _locals_follow_context()
    for path in settings.CONTEXT:
        try:
            carrier = _carrier(path)
            lasting &= carrier.follows_context
            value = carrier.take()
            if value is not None:
                found[carrier.key] = _checked(path, value)
        except Exception as error:  # noqa: BLE001 - whatever a carrier comes up with
            if _is_required(path):
                raise Raised(error) from None
            log(
                logging.ERROR,
                "Context carrier %s failed at send; the message goes without its value",
                path,
                exc_info=True,
                extra=about("carrier_failed"),
            )
            lasting = False
    if lasting:
        _latest.settings, _latest.context, _latest.found = settings, here, found
    return found


class _Latest(threading.local):
    """What was taken last on a thread, in which context, and under which settings.

    Many messages are sent from the same context, and Django is slow to say that no language and no
    time zone is active.
    """

    settings: conf.Settings | None = None
    context: Context = Context()
    found: dict[str, Any] = {}  # noqa: RUF012 - never written into


_latest = _Latest()


@receiver(request_finished)
def _forget(**_kwargs: object) -> None:
    """Let go of what was taken last, so that nothing of a request's context is kept alive."""
    _latest.settings, _latest.context = None, Context()


def _is_same(one: Context, other: Context) -> bool:
    """Return whether two contexts hold the same objects.

    Objects are compared by identity, since an ``__eq__`` of the project's may do anything.
    """
    return len(one) == len(other) and all(
        other.get(variable, one) is value for variable, value in one.items()
    )


@cache
def _locals_follow_context() -> bool:
    """Return whether a context shows what is set, and unset, in asgiref's `Local`, which Django uses.

    With asgiref 3.8 it does not: that version forgets a variable for all contexts at once.
    """

    def try_one() -> bool:
        local: Any = Local()
        local.value = 1
        before = copy_context()
        del local.value
        return copy_context() != before

    return Context().run(try_one)


def restored(context: dict[str, Any]) -> AbstractContextManager[Any]:
    """Make a context manager in whose block all that was taken along is there again.

    Entering it raises:
        ContextNotRestored: a carrier that is required has not restored what it took.
    """
    if context or any(map(_is_for_each_run, conf.current().CONTEXT)):
        return _restored(context)
    return _NOTHING


#: One for all, as it has no state.
_NOTHING = nullcontext()


@contextmanager
def _restored(context: dict[str, Any]) -> Iterator[None]:
    with ExitStack() as stack:
        for path in conf.current().CONTEXT:
            if _is_asked(path, context):
                stack.enter_context(_restored_by(path, context))
        yield


def _is_asked(path: str, context: dict[str, Any]) -> bool:
    """Return whether a carrier has something to restore; True where it fails to say so."""
    try:
        return _said(path, "key") in context or _is_for_each_run(path)
    except Exception:  # noqa: BLE001 - what its module raises is logged when it is asked
        return True


class _restored_by:  # noqa: N801 - used like a function, as `contextlib.suppress` is
    """Restore what one carrier took along; if that fails, the block runs without it, or not at all."""

    __slots__ = ("_context", "_manager", "_path")

    def __init__(self, path: str, context: dict[str, Any]) -> None:
        self._path = path
        self._context = context
        self._manager: AbstractContextManager[Any] = _NOTHING

    def __enter__(self) -> None:
        try:
            manager = _around(self._path, self._context)
            manager.__enter__()
        except Exception as error:
            if isinstance(error, ContextNotRestored):
                raise
            if _is_required(self._path):
                raise ContextNotRestored(
                    f"Context carrier {self._path} is required, and its restore() failed with "
                    f"{type(error).__name__}."
                ) from error
            logger.exception(
                "Context carrier %s failed before the run; the receiver runs without its value",
                self._path,
                extra=about("carrier_failed"),
            )
        else:
            self._manager = manager

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        if error is not None:
            return self._manager.__exit__(kind, error, trace)
        try:
            self._manager.__exit__(None, None, None)
        except Exception:
            logger.exception(
                "Context carrier %s failed after the run, when it took its value back",
                self._path,
                extra=about("carrier_failed"),
            )
        return False


def _around(path: str, context: dict[str, Any]) -> AbstractContextManager[Any]:
    """Return the context manager of one carrier; one that does nothing where it took nothing."""
    carrier = _carrier(path)
    value = context.get(carrier.key)
    if value is None and carrier.required:
        raise ContextNotRestored(
            f"Context carrier {path} is required, and the message has no value of it: its take() "
            f"gave None, or the process that sent the message does not name it in CONTEXT."
        )
    return _NOTHING if value is None and not carrier.always else carrier.restore(value)


def _checked(path: str, value: Any) -> Any:
    """Copy a value that a carrier took, as the carrier may go on writing into its own.

    Raises:
        SerializationError: the value is not of JSON's own types.
    """
    try:
        return json.loads(_encode(value))
    except (RecursionError, TypeError, ValueError) as error:
        raise SerializationError(
            f"Context carrier {path} took a value that is not of JSON's own types: {error}."
        ) from error


_encode = json.JSONEncoder(allow_nan=False).encode


@cache
def _carrier(path: str) -> Carrier:
    with unforked():
        carrier: Carrier = import_string(path)()
    return carrier


def _is_required(path: str) -> bool:
    """Return whether a carrier is required; False where its class cannot be imported."""
    try:
        return bool(_said(path, "required"))
    except Exception:  # noqa: BLE001 - whatever its module raises, which is logged at its use
        return False


def _is_for_each_run(path: str) -> bool:
    """Return whether a carrier is asked also where a message has no value of it."""
    try:
        return bool(_said(path, "required") or _said(path, "always"))
    except Exception:  # noqa: BLE001 - as above
        return False


@cache
def _said(path: str, attribute: str) -> Any:
    return getattr(import_string(path), attribute)
