"""Context carriers: two as projects write them, and some that fail at one step."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any

from deferred_signals.context import Carrier

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
tenant: ContextVar[str] = ContextVar("tenant", default="public")


class RequestId(Carrier):
    """Carry the id of the request that sent."""

    key = "request_id"

    def take(self) -> str | None:
        """Return the id."""
        return request_id.get()

    @contextmanager
    def restore(self, value: Any) -> Iterator[None]:
        """Set the value for the length of the run."""
        token = request_id.set(value)
        try:
            yield
        finally:
            request_id.reset(token)


class Tenant(Carrier):
    """Carry the current tenant."""

    key = "tenant"

    def take(self) -> str | None:
        """Return the tenant's name."""
        return tenant.get()

    @contextmanager
    def restore(self, value: Any) -> Iterator[None]:
        """Set the value for the length of the run."""
        token = tenant.set(value)
        try:
            yield
        finally:
            tenant.reset(token)


class Asked(Carrier):
    """Count how often the library asked."""

    key = "asked"
    times = 0

    def take(self) -> int:
        """Count this call, and return the count."""
        Asked.times += 1
        return Asked.times

    def restore(self, value: Any) -> AbstractContextManager[None]:
        """Restore nothing."""
        return nullcontext()


class FailsAtSend(RequestId):
    """Fail in `take`."""

    key = "fails_at_send"

    def take(self) -> str | None:
        """Fail."""
        raise LookupError("at send")


class TakesWhatCannotTravel(RequestId):
    """Take a value that JSON cannot hold."""

    key = "cannot_travel"

    def take(self) -> Any:
        """Return an object within a dict."""
        return {"a": object()}


class TakesNan(RequestId):
    """Take a number that JSON does not have."""

    key = "nan"

    def take(self) -> Any:
        """Return NaN."""
        return float("nan")


class FailsAtRun(RequestId):
    """Fail in `restore`."""

    key = "fails_at_run"

    def take(self) -> str:
        """Return a text."""
        return "x"

    def restore(self, value: Any) -> Any:
        """Fail."""
        raise LookupError("at run")


class FailsOnEntry(FailsAtRun):
    """Fail when the block of `restore` begins."""

    key = "fails_on_entry"

    @contextmanager
    def restore(self, value: Any) -> Iterator[None]:
        """Fail."""
        if value:
            raise LookupError("on entry")
        yield


class FailsOnExit(FailsAtRun):
    """Fail when the block of `restore` ends."""

    key = "fails_on_exit"

    @contextmanager
    def restore(self, value: Any) -> Iterator[None]:
        """Fail after the run."""
        yield
        raise LookupError("on exit")


class Account(Tenant):
    """Carry the tenant, and let nothing run without one."""

    key = "account"
    required = True

    def take(self) -> str | None:
        """Return the tenant's name, or None if none is chosen."""
        name = tenant.get()
        if name == "nobody":
            raise PermissionError("no account")
        return None if name == "public" else name

    @contextmanager
    def restore(self, value: Any) -> Iterator[None]:
        """Set the tenant, if there is such a tenant."""
        if value == "gone":
            raise LookupError("no such account: swordfish")
        with super().restore(value):
            yield


class AccountOfAnotherType(Account):
    """Take a value that cannot travel."""

    def take(self) -> Any:
        """Return an object within a dict."""
        return {"a": object()}


class AccountThatCannotBeMade(Account):
    """Fail when it is made."""

    def __init__(self) -> None:
        raise LookupError("no connection")
