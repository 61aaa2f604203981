"""The options of a deferred receiver: a closed list, validated when the decorator runs."""

# Without `annotations` of the future: a TypedDict and a dataclass would compile each text again.
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, Self, TypedDict

from django.db.models import Model

from deferred_signals import conf
from deferred_signals.errors import ConfigurationError, InvalidReceiver
from deferred_signals.policies import NO_RETRY, Retry
from deferred_signals.receivers.refusals import Refusals
from deferred_signals.receivers.rules import RULES
from deferred_signals.receivers.unknown_options import unknown_option
from deferred_signals.support.cached import cached_property
from deferred_signals.support.frozen import Frozen
from deferred_signals.support.hints import nearest, resembles

__all__ = [
    "CONNECT_OPTIONS",
    "DEFAULT_POLICY",
    "Options",
    "ReceiverOptions",
    "policy_of",
    "refuse_undeferred",
]

Missing = Literal["discard", "retry", "fail"]
Call = Callable[..., Any]

#: What ``retry`` is where it was not given: the policy of the settings.
DEFAULT_POLICY = "the default policy"


class ReceiverOptions(TypedDict, total=False):
    """Every option of `deferred_signals.receiver`, for type checkers and editors."""

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
    durable: bool
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


#: Options of ``Signal.connect``: they belong to one connection, not to the receiver.
CONNECT_OPTIONS = frozenset({"sender", "weak", "dispatch_uid"})

#: Options that go with each message, as in ``apply_async``.
PUBLISH_OPTIONS = (
    "queue",
    "priority",
    "countdown",
    "expires",
    "time_limit",
    "soft_time_limit",
    "headers",
    "compression",
)

#: Options that need the outbox, with the values that ask for nothing.
NEEDS_OUTBOX: dict[str, object] = {"atomic": False, "durable": False, "ordered_by": None}


class Options(Frozen):
    """The options of one receiver, validated. Equal options make equal values.

    Raises:
        InvalidReceiver: an option has a value that it cannot have.
    """

    aliases: tuple[str, ...] = ()
    when: Call | None = None
    raw: bool = False
    exclude: frozenset[str] = frozenset()
    exclude_fields: frozenset[str] = frozenset()
    carry: tuple[str, ...] = ()
    capture: Call | None = None
    snapshot: bool | frozenset[str] = False
    actions: frozenset[str] = frozenset({"post_add", "post_remove", "post_clear"})
    opt_in: bool = False
    using: str | None = None
    coalesce: bool | Call = False
    schema: type | None = None
    version: int = 1
    upgrade: Call | None = None
    retry: Retry | str | None = DEFAULT_POLICY
    missing: Missing | None = None
    chunk_size: int = 1
    queue: str | Call | None = None
    priority: int | Call | None = None
    countdown: float | timedelta | Call | None = None
    expires: float | timedelta | datetime | Call | None = None
    time_limit: float | None = None
    soft_time_limit: float | None = None
    headers: Mapping[str, Any] | None = None
    compression: str | None = None
    rate_limit: str | float | None = None
    ignore_result: bool = True
    acks_late: bool = True
    track_started: bool | None = None
    throws: tuple[type[BaseException], ...] = ()
    base: type | None = None
    send_events: bool = True
    serializer: str | None = None

    def __post_init__(self) -> None:
        refusals = Refusals()
        for name, rule in RULES.items():
            value = refusals.ask(rule, name, getattr(self, name))
            object.__setattr__(self, name, value)
        refusals.settle("The options do not fit")
        if self.time_limit and self.soft_time_limit and self.soft_time_limit > self.time_limit:
            raise InvalidReceiver(
                f"soft_time_limit is {self.soft_time_limit:g} s, more than time_limit, "
                f"{self.time_limit:g} s. Make it the smaller of the two."
            )

    @cached_property
    def snapshot_names(self) -> frozenset[str]:
        """The kwargs that ``snapshot=`` names; where it is True, the receiver's codec sees to all."""
        return frozenset() if isinstance(self.snapshot, bool) else self.snapshot

    @property
    def names_kwargs(self) -> bool:
        """Whether other options than ``schema=`` name kwargs of the signals."""
        return bool(self.exclude or self.snapshot_names or self.carry)

    @cached_property
    def shapes_kwargs(self) -> bool:
        """Whether other kwargs may travel than were sent, or these are looked at before."""
        return bool(self.exclude) or self.capture is not None or self.schema is not None

    @cached_property
    def publish_values(self) -> dict[str, Any]:
        """What ``apply_async`` is told about every message."""
        found = {name: getattr(self, name) for name in PUBLISH_OPTIONS}
        return {
            name: value
            for name, value in found.items()
            if value is not None and not callable(value)
        }

    @cached_property
    def publish_callables(self) -> dict[str, Call]:
        """What gives the other options of ``apply_async``, for each send anew."""
        found = {name: getattr(self, name) for name in PUBLISH_OPTIONS}
        return {name: value for name, value in found.items() if callable(value)}

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """The options among what was given to the decorator.

        Raises:
            InvalidReceiver: an unknown option, or a wrong value.
            ConfigurationError: an option whose part of the library is not there.
        """
        refusals = Refusals()
        options = cls.sound(given, refusals)
        refusals.settle("The options do not fit")
        return options

    @classmethod
    def sound(cls, given: Mapping[str, Any], refusals: Refusals) -> Self:
        """The options that are sound; what is wrong with the others is noted among the refusals."""
        sound: dict[str, Any] = {}
        for name, value in given.items():
            if name in NEEDS_OUTBOX:
                refusals.ask(_check_outbox, name, value)
            elif name in RULES:
                before = len(refusals)
                checked = refusals.ask(RULES[name], name, value)
                if len(refusals) == before:
                    sound[name] = checked
            elif name in cls.__dataclass_fields__:
                sound[name] = value
            elif name not in ReceiverOptions.__annotations__:
                refusals.add(unknown_option(name, ReceiverOptions.__annotations__))
        return refusals.ask(lambda: cls(**sound)) or cls()


def refuse_undeferred(given: Mapping[str, Any]) -> None:
    """Without ``deferred=True``, refuse options that need it, and misspellings of the argument.

    Raises:
        InvalidReceiver: it is for a deferred receiver. Other names are left to Django.
    """
    options = ReceiverOptions.__annotations__.keys() - CONNECT_OPTIONS
    for name in given:
        if name not in ReceiverOptions.__annotations__ and resembles(name, "deferred"):
            raise InvalidReceiver(f"{name}= is not an argument. Did you mean deferred=True?")
    for name in given:
        if name in options:
            raise InvalidReceiver(f"{name}= is an option of deferred receivers: add deferred=True.")


def _check_outbox(name: str, value: object) -> None:
    if value != NEEDS_OUTBOX[name]:
        raise ConfigurationError(
            f"{name}={value!r} wants durable delivery, whose app 'deferred_signals.outbox' is not "
            f"part of this version. Remove the option."
        )


def policy_of(options: Options) -> Retry:
    """The policy in force: the receiver's, or one from the settings.

    Raises:
        ConfigurationError: no policy has the name that ``retry`` gives.
    """
    retry = options.retry
    if isinstance(retry, Retry):
        return retry
    if retry is None:
        return NO_RETRY
    settings = conf.current()
    if retry == DEFAULT_POLICY:
        return settings.RETRY
    try:
        return settings.RETRY_POLICIES[retry]
    except KeyError:
        if not settings.RETRY_POLICIES:
            raise ConfigurationError(
                f"retry={retry!r} names a policy, and the settings define none. Add "
                f"DEFERRED_SIGNALS['RETRY_POLICIES'] = {{{retry!r}: {{'max_attempts': 5}}}}, or "
                f"give a Retry(...)."
            ) from None
        hint = nearest(retry, settings.RETRY_POLICIES)
        raise ConfigurationError(
            f"retry={retry!r} names no policy of DEFERRED_SIGNALS['RETRY_POLICIES']. {hint}"
        ) from None
