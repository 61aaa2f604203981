"""`ReceiverOptions`: the options of a receiver as type checkers and editors see them."""

# Without `annotations` of the future: a TypedDict would compile each text again.
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, TypedDict

from django.db.models import Model

from deferred_signals.policies import Retry

__all__ = ["Call", "Missing", "ReceiverOptions"]

Missing = Literal["discard", "retry", "fail"]
Call = Callable[..., Any]


class ReceiverOptions(TypedDict, total=False):
    """Every option of `deferred_signals.receiver`, with the types of what may be given.

    What each option means stands in `deferred_signals.receivers.options`.
    """

    sender: type[Model] | str | Sequence[type[Model] | str] | object | None
    weak: bool
    dispatch_uid: object
    name: str
    aliases: Sequence[str]
    when: Call | None
    raw: bool
    exclude: Sequence[str]
    exclude_fields: Sequence[str]
    carry: Sequence[str]
    capture: Call | None
    snapshot: bool | Sequence[str]
    actions: Sequence[str]
    opt_in: bool
    using: str | None
    durable: bool | None
    coalesce: bool | Call
    ordered_by: str | Call | None
    schema: type | None
    version: int
    upgrade: Call | None
    retry: Retry | str | None
    atomic: bool
    missing: Missing | None
    chunk_size: int
    queue: str | Call | None
    priority: int | Call | None
    countdown: float | timedelta | Call | None
    expires: float | timedelta | datetime | Call | None
    time_limit: float | timedelta | None
    soft_time_limit: float | timedelta | None
    headers: Mapping[str, Any]
    compression: str | None
    rate_limit: str | float | None
    ignore_result: bool
    acks_late: bool
    track_started: bool | None
    throws: type[BaseException] | Sequence[type[BaseException]]
    base: type | None
    send_events: bool
    serializer: str | None
