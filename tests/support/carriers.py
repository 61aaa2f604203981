"""Context carriers: two that projects want, and some that fail."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any

from deferred_signals.context import Carrier

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
tenant: ContextVar[str] = ContextVar("tenant", default="public")


class RequestId(Carrier):
    """The id of the request that sent."""

    key = "request_id"

    def take(self) -> str | None:
        """Its value."""
        return request_id.get()

    @contextmanager
    def restore(self, value: Any) -> Iterator[None]:
        """Set it."""
        token = request_id.set(value)
        try:
            yield
        finally:
            request_id.reset(token)


class Tenant(Carrier):
    """The tenant whose data is at hand."""

    key = "tenant"

    def take(self) -> str | None:
        """Its name."""
        return tenant.get()

    @contextmanager
    def restore(self, value: Any) -> Iterator[None]:
        """Set it."""
        token = tenant.set(value)
        try:
            yield
        finally:
            tenant.reset(token)


class Asked(Carrier):
    """How often it was asked, which no context tells."""

    key = "asked"
    times = 0

    def take(self) -> int:
        """One more."""
        Asked.times += 1
        return Asked.times

    def restore(self, value: Any) -> AbstractContextManager[None]:
        """Nothing."""
        return nullcontext()


class FailsAtSend(RequestId):
    """Fails where it takes."""

    key = "fails_at_send"

    def take(self) -> str | None:
        """Fail."""
        raise LookupError("at send")


class TakesWhatCannotTravel(RequestId):
    """Takes what is none of JSON's types."""

    key = "cannot_travel"

    def take(self) -> Any:
        """Give an object."""
        return {"a": object()}


class TakesNan(RequestId):
    """Takes a number that JSON does not have."""

    key = "nan"

    def take(self) -> Any:
        """Give it."""
        return float("nan")


class FailsAtRun(RequestId):
    """Fails where it restores."""

    key = "fails_at_run"

    def take(self) -> str:
        """Give something."""
        return "x"

    def restore(self, value: Any) -> Any:
        """Fail."""
        raise LookupError("at run")


class FailsOnEntry(FailsAtRun):
    """Fails when the block begins."""

    key = "fails_on_entry"

    @contextmanager
    def restore(self, value: Any) -> Iterator[None]:
        """Fail."""
        if value:
            raise LookupError("on entry")
        yield


class FailsOnExit(FailsAtRun):
    """Fails when the block ends."""

    key = "fails_on_exit"

    @contextmanager
    def restore(self, value: Any) -> Iterator[None]:
        """Fail afterwards."""
        yield
        raise LookupError("on exit")


class Account(Tenant):
    """The tenant, without whom nothing may go on."""

    key = "account"
    required = True

    def take(self) -> str | None:
        """Its name; nothing where none is chosen."""
        name = tenant.get()
        if name == "nobody":
            raise PermissionError("no account")
        return None if name == "public" else name

    @contextmanager
    def restore(self, value: Any) -> Iterator[None]:
        """Set it, if there is such a tenant."""
        if value == "gone":
            raise LookupError("no such account: swordfish")
        with super().restore(value):
            yield


class AccountOfAnotherType(Account):
    """Takes what cannot travel."""

    def take(self) -> Any:
        """Give an object."""
        return {"a": object()}


class AccountThatCannotBeMade(Account):
    """Is not to be had."""

    def __init__(self) -> None:
        raise LookupError("no connection")
