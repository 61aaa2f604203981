"""What surrounds a send, taken along by the carriers of the setting ``CONTEXT``, and restored again.

A carrier that fails is logged, and the message goes on without it; one that is ``required`` ends
the send, or the attempt. See `deferred_signals.context.Carrier`.
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
from deferred_signals.support.telling import log

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from deferred_signals.context import Carrier

__all__ = ["restored", "taken"]

logger = logging.getLogger("deferred_signals")


def taken(settings: conf.Settings) -> dict[str, Any]:
    """What all carriers of the settings take along from here; not to be written into.

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
                "Context carrier %s failed at send; its context is left out",
                path,
                exc_info=True,
            )
            lasting = False
    if lasting:
        _latest.settings, _latest.context, _latest.found = settings, here, found
    return found


class _Latest(threading.local):
    """What was taken last on a thread, where, and under which settings.

    Many messages are sent from one place, and Django is slow to say that no language and no time
    zone is active.
    """

    settings: conf.Settings | None = None
    context: Context = Context()
    found: dict[str, Any] = {}  # noqa: RUF012 - never written into


_latest = _Latest()


@receiver(request_finished)
def _forget(**_kwargs: object) -> None:
    """Keep nothing alive that a request put into its context."""
    _latest.settings, _latest.context = None, Context()


def _is_same(one: Context, other: Context) -> bool:
    """Return whether the same objects are in both: to ask them whether they are equal may do anything."""
    return len(one) == len(other) and all(
        other.get(variable, one) is value for variable, value in one.items()
    )


@cache
def _locals_follow_context() -> bool:
    """Return whether a context shows what is set, and unset, in the locals that Django uses.

    Not with asgiref 3.8, which forgets a variable for all contexts at once.
    """

    def try_one() -> bool:
        local: Any = Local()
        local.value = 1
        before = copy_context()
        del local.value
        return copy_context() != before

    return Context().run(try_one)


def restored(context: dict[str, Any]) -> AbstractContextManager[Any]:
    """All that was taken along is there again for the block.

    Entering it raises:
        ContextNotRestored: a carrier that is required has not restored what it took.
    """
    if context or any(map(_is_required, conf.current().CONTEXT)):
        return _restored(context)
    return _NOTHING


#: One for all: it holds nothing.
_NOTHING = nullcontext()


@contextmanager
def _restored(context: dict[str, Any]) -> Iterator[None]:
    with ExitStack() as stack:
        for path in conf.current().CONTEXT:
            stack.enter_context(_restored_by(path, context))
        yield


@contextmanager
def _restored_by(path: str, context: dict[str, Any]) -> Iterator[None]:
    """What one carrier took along is there again; if it fails, the block runs without, or not at all."""
    with ExitStack() as stack:
        try:
            stack.enter_context(_around(path, context))
        except Exception as error:
            if isinstance(error, ContextNotRestored):
                raise
            if _is_required(path):
                raise ContextNotRestored(
                    f"Context carrier {path} is required, and its restore() failed with "
                    f"{type(error).__name__}."
                ) from error
            logger.exception("Context carrier %s failed before the run; going without", path)
        yield
        try:
            stack.close()
        except Exception:
            logger.exception("Context carrier %s failed after the run", path)


def _around(path: str, context: dict[str, Any]) -> AbstractContextManager[Any]:
    """What is to be entered for one carrier."""
    carrier = _carrier(path)
    value = context.get(carrier.key)
    if value is not None:
        return carrier.restore(value)
    if carrier.required:
        raise ContextNotRestored(
            f"Context carrier {path} is required, and the message has nothing of it: its take() "
            f"gave None, or CONTEXT does not name it where the message was sent."
        )
    return _NOTHING


def _checked(path: str, value: Any) -> Any:
    """Copy a value that a carrier took, as JSON gives it back: the carrier may go on writing into it.

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
    """Return whether nothing may go on without a carrier; its class says so, where it can be imported."""
    try:
        return _says_required(path)
    except Exception:  # noqa: BLE001 - whatever its module raises: that is told where it is used
        return False


@cache
def _says_required(path: str) -> bool:
    return bool(import_string(path).required)
