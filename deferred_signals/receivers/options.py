"""The options of a deferred receiver: one table of what fits each, what it means and where it goes."""

# Without `annotations` of the future: a dataclass would compile each text again.
from collections.abc import Callable, Mapping
from dataclasses import field, fields
from datetime import datetime
from typing import Any, Literal, NamedTuple, TypeVar

from deferred_signals import conf
from deferred_signals.errors import ConfigurationError, InvalidReceiver
from deferred_signals.policies import NO_RETRY, Retry
from deferred_signals.receivers import rules
from deferred_signals.receivers.bases import task_base
from deferred_signals.receivers.refusals import Refusals
from deferred_signals.support.cached import cached_property
from deferred_signals.support.frozen import Frozen
from deferred_signals.support.hints import nearest
from deferred_signals.support.validators import (
    Validator,
    anything,
    call,
    exception_types,
    flag,
    mapping,
    name_set,
    one_of,
    or_call,
    or_none,
    seconds,
    seconds_above_zero,
    text,
    validated,
    whole,
)

__all__ = [
    "DEFAULT_POLICY",
    "OPTIONS",
    "Option",
    "Options",
    "is_durable",
    "meanings",
    "names_at",
    "policy_of",
    "valid",
]

T = TypeVar("T")
Call = Callable[..., Any]

#: Where an option goes: to ``Signal.connect``, to the receiver's name, to a hop on the way of its
#: messages, to the arguments of ``apply_async``, to the attributes of the Celery task, or to the
#: outbox.
Place = Literal["connect", "name", "send", "encode", "defer", "publish", "message", "run", "task"]


class Option(NamedTuple):
    """What is known of an option: where it goes, what fits it, its meaning, and its default."""

    place: Place
    validator: Validator[Any]
    meaning: str
    default: object


def option(place: Place, validator: Validator[T], meaning: str, *, default: Any) -> T:
    """Declare an option as a field of `Options`."""
    told = Option(place, validator, meaning, default)
    found: T = field(default=default, metadata={"option": told})
    return found


#: What ``retry`` is where it was not given: the policy of the settings.
DEFAULT_POLICY = "the default policy"


class Options(Frozen):
    """The options of one receiver, validated. Equal options make equal values.

    Raises:
        InvalidReceiver: an option has a value that it cannot have.
    """

    # One option a line.
    # fmt: off
    aliases: tuple[str, ...] = option("name", rules.aliases, "earlier names: messages under them still find the receiver", default=())
    when: Call | None = option("send", or_none(call), "``when(sender, **kwargs)`` is asked at send; nothing is deferred where the answer is falsy", default=None)
    raw: bool = option("send", flag, "whether sends with ``raw=True`` (fixtures) are deferred", default=False)
    actions: frozenset[str] = option("send", rules.actions, "the actions of ``m2m_changed`` that are deferred", default=frozenset({"post_add", "post_remove", "post_clear"}))
    opt_in: bool = option("connect", flag, "whether to listen to a signal that is early, noisy or heavy", default=False)
    exclude: frozenset[str] = option("encode", rules.kwarg_names, "kwargs that are left out of the message", default=frozenset())
    exclude_fields: frozenset[str] = option("encode", name_set, "model fields that are left out of snapshots and of ``changes``", default=frozenset())
    carry: tuple[str, ...] = option("encode", rules.attributes, "attributes of the instance, other than fields, that travel with it", default=())
    capture: Call | None = option("encode", or_none(call), "``capture(sender, **kwargs)`` runs at send; its dict joins the receiver's kwargs", default=None)
    snapshot: bool | frozenset[str] = option("encode", rules.snapshot, "instances, all or the named ones, travel as their values at send", default=False)
    schema: type | None = option("encode", anything, "a dataclass that the signal's kwargs must fit", default=None)
    version: int = option("encode", whole(1), "the version of the receiver's kwargs", default=1)
    using: str | None = option("defer", or_none(text), "the alias of the database whose commit is waited for", default=None)
    durable: bool | None = option("defer", or_none(flag), "whether messages are rows, written by the sender's transaction; None: the setting DURABLE", default=None)
    ordered_by: str | Call | None = option("defer", or_none(or_call(one_of("instance"))), "messages of one key run one after another; needs durable delivery", default=None)
    coalesce: bool | Call = option("defer", or_call(flag), "several sends in one transaction, for one instance or one key, become one message", default=False)
    chunk_size: int = option("publish", whole(1), "up to so many calls of one transaction travel in one message", default=1)
    queue: str | Call | None = option("message", or_none(or_call(text)), "the queue of its messages; without one, the setting QUEUE or Celery's routes decide", default=None)
    priority: int | Call | None = option("message", or_none(or_call(whole(0, rules.HIGHEST_PRIORITY))), "the priority of its messages on the broker, from 0 to 255", default=None)
    countdown: float | Call | None = option("message", or_none(or_call(seconds)), "seconds or a timedelta: the receiver runs no earlier than so long after the send", default=None)
    expires: float | datetime | Call | None = option("message", or_none(rules.expires), "seconds or a timedelta from the send, or a datetime: the receiver runs no later", default=None)
    time_limit: float | None = option("message", or_none(seconds_above_zero), "seconds or a timedelta: a run that takes longer is killed", default=None)
    soft_time_limit: float | None = option("message", or_none(seconds_above_zero), "seconds or a timedelta: a run that takes longer gets SoftTimeLimitExceeded", default=None)
    headers: Mapping[str, Any] | None = option("message", or_none(mapping), "further headers of Celery's message", default=None)
    compression: str | None = option("message", or_none(text), "kombu's compression of Celery's message, like 'gzip'", default=None)
    upgrade: Call | None = option("run", or_none(call), "``upgrade(version, kwargs)`` mends the kwargs of an older version", default=None)
    atomic: bool = option("run", flag, "the receiver's writes and the end of its row are one transaction; needs durable delivery", default=False)
    missing: Literal["discard", "retry", "fail"] | None = option("run", or_none(one_of("discard", "retry", "fail")), "what follows where a referenced row is gone: 'discard', 'retry' or 'fail'", default=None)
    retry: Retry | str | None = option("run", rules.retry, "when a failed run is tried again: a Retry, a policy's name, or None for one attempt", default=DEFAULT_POLICY)
    rate_limit: str | float | None = option("task", or_none(rules.rate), "Celery's rate limit of each worker, like '10/m'", default=None)
    ignore_result: bool = option("task", flag, "whether Celery stores no result", default=True)
    acks_late: bool = option("task", flag, "whether a message is acknowledged after its run", default=True)
    track_started: bool | None = option("task", or_none(flag), "whether Celery reports that a run began", default=None)
    throws: tuple[type[BaseException], ...] = option("task", exception_types, "exceptions that Celery logs without a traceback", default=())
    base: type | None = option("task", or_none(task_base), "the class of the receiver's Celery task", default=None)
    send_events: bool = option("task", flag, "whether Celery sends task events", default=True)
    serializer: str | None = option("task", or_none(rules.serializer), "kombu's serializer of Celery's message", default=None)
    # fmt: on

    def __post_init__(self) -> None:
        refusals = Refusals()
        for item in fields(self):
            value = refusals.ask(valid, item.name, getattr(self, item.name))
            object.__setattr__(self, item.name, value)
        refusals.raise_found("The options do not fit")
        if self.time_limit and self.soft_time_limit and self.soft_time_limit > self.time_limit:
            raise InvalidReceiver(
                f"soft_time_limit is {self.soft_time_limit:g} s, more than time_limit, "
                f"{self.time_limit:g} s. Make it the smaller of the two."
            )
        for name in ("atomic", "ordered_by"):
            if getattr(self, name) and self.durable is False:
                raise InvalidReceiver(
                    f"{name}={getattr(self, name)!r} needs durable delivery, and durable is False. "
                    f"Give durable=True."
                )
        if self.ordered_by and self.chunk_size > 1:
            raise InvalidReceiver(
                f"chunk_size={self.chunk_size} lets calls travel together, and ordered_by= lets each "
                f"wait for the one before. Remove one of them."
            )

    @cached_property
    def snapshot_names(self) -> frozenset[str]:
        """Name the kwargs that ``snapshot=`` names; where it is True, the codec sees to all."""
        return frozenset() if isinstance(self.snapshot, bool) else self.snapshot

    @property
    def names_kwargs(self) -> bool:
        """Tell whether other options than ``schema=`` name kwargs of the signals."""
        return bool(self.exclude or self.snapshot_names or self.carry)

    @cached_property
    def shapes_kwargs(self) -> bool:
        """Tell whether the kwargs that travel may differ from those sent, or are checked before."""
        return bool(self.exclude) or self.capture is not None or self.schema is not None

    @cached_property
    def publish_values(self) -> dict[str, Any]:
        """Give what ``apply_async`` is told about every message."""
        found = {name: getattr(self, name) for name in names_at("message")}
        return {
            name: value
            for name, value in found.items()
            if value is not None and not callable(value)
        }

    @cached_property
    def publish_callables(self) -> dict[str, Call]:
        """Give what makes the other arguments of ``apply_async``, for each send anew."""
        found = {name: getattr(self, name) for name in names_at("message")}
        return {name: value for name, value in found.items() if callable(value)}


# fmt: off
#: Options that belong to a connection, or are the name: they are no part of what makes two values of
#: `Options` equal, and are looked at where a declaration is.
_OF_A_CONNECTION: dict[str, Option] = {
    "sender": Option("connect", anything, "a sender, as in ``Signal.connect``, or a list of them", default=None),
    "weak": Option("connect", anything, "whether the receiver may be forgotten, as in ``Signal.connect``", default=True),
    "dispatch_uid": Option("connect", anything, "what tells the connection from others, as in ``Signal.connect``", default=None),
    "name": Option("name", anything, "the name of the receiver and of its Celery task; without one, its dotted path", default=None),
}
# fmt: on

#: The whole table: every option by its name.
OPTIONS: dict[str, Option] = {
    **_OF_A_CONNECTION,
    **{item.name: item.metadata["option"] for item in fields(Options)},
}


def names_at(*places: Place) -> tuple[str, ...]:
    """List the options that go to a place."""
    return tuple(name for name, told in OPTIONS.items() if told.place in places)


def meanings(indent: str) -> str:
    """List all options with what each means, for the docstring of `deferred_signals.receiver`."""
    return "\n".join(f"{indent}{name}: {told.meaning}." for name, told in OPTIONS.items())


def valid(name: str, value: object) -> Any:
    """Return the value of an option in its normal form.

    Raises:
        InvalidReceiver: the value does not fit the option.
        ConfigurationError: the option needs a part of the library that is not there.
    """
    return validated(name, value, OPTIONS[name].validator, InvalidReceiver)


def is_durable(options: Options) -> bool:
    """Return whether messages are rows of the outbox: by the option, or else by the settings."""
    return conf.current().DURABLE if options.durable is None else options.durable


def policy_of(options: Options) -> Retry:
    """Return the policy in force: the receiver's, or one from the settings.

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
