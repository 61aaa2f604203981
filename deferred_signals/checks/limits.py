"""W003: receivers that may run for longer than the broker lets a message stay unacknowledged."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, NamedTuple

from django.core.checks import CheckMessage, Warning  # noqa: A004 - Django's own name

from deferred_signals import conf
from deferred_signals.checks.common import facts_or_none, message, receivers, register
from deferred_signals.errors import ConfigurationError
from deferred_signals.publishing.celery_facts import REDIS
from deferred_signals.receivers.options import policy_of
from deferred_signals.support.amounts import is_number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deferred_signals.publishing.celery_facts import CeleryFacts
    from deferred_signals.receivers.options import Options
    from deferred_signals.receivers.receiver import Receiver

__all__: list[str] = []

#: Seconds that a message may stay unacknowledged, by kombu's and RabbitMQ's defaults.
REDIS_VISIBILITY_TIMEOUT = 3600.0
SQS_VISIBILITY_TIMEOUT = 1800.0
RABBITMQ_CONSUMER_TIMEOUT = 1800.0

RABBITMQ = frozenset({"amqp", "amqps", "librabbitmq", "pyamqp"})

#: The part of a limit that a wait before the run may take without a warning.
_SMALL = 0.1


class Limit(NamedTuple):
    """How long a broker lets a message stay unacknowledged.

    Attributes:
        seconds: the limit.
        longest_wait: seconds of it that a wait before the run may take at most.
        then: what the broker does when the limit is exceeded.
        remedy: how to raise the limit.
    """

    seconds: float
    longest_wait: float
    then: str
    remedy: str


@register()
def check_limits() -> list[CheckMessage]:
    """Run W003: the broker would redeliver a message while its receiver runs."""
    facts, found = facts_or_none(), receivers()
    if facts is None or not found or conf.problems():
        return []
    told = [*_check_longest_wait(facts)]
    for receiver in found:
        if receiver.options.acks_late:  # else the message is acknowledged before the run
            told += _check_receiver(receiver, facts)
    return told


def _check_longest_wait(facts: CeleryFacts) -> Iterator[CheckMessage]:
    longest = conf.current().LONGEST_WAIT
    limit = _limit_of(facts, facts.default_queue)
    if longest is not None and limit is not None and longest >= limit.seconds:
        yield message(
            Warning,
            "W003",
            f"DEFERRED_SIGNALS['LONGEST_WAIT'] is {longest:g} s, but {limit.then} after "
            f"{limit.seconds:g} s: a message that waits that long would run twice.",
            f"Lower LONGEST_WAIT to half of that limit, or {limit.remedy}.",
        )


def _check_receiver(receiver: Receiver, facts: CeleryFacts) -> Iterator[CheckMessage]:
    queue = receiver.options.queue or conf.current().QUEUE or facts.default_queue
    limit, run = _limit_of(facts, queue), _longest_run(receiver.options, facts)
    if limit is None or run is None:
        return
    wait = min(_longest_wait(receiver.options), limit.longest_wait)
    together = wait > limit.seconds * _SMALL and run + wait >= limit.seconds
    if run < limit.seconds and not together:
        return
    waits = f"wait for {wait:g} s and then " if run < limit.seconds else ""
    yield message(
        Warning,
        "W003",
        f"Receiver {receiver.name} may {waits}run for {run:g} s, by its time limit, but "
        f"{limit.then} after {limit.seconds:g} s without an acknowledgement: it would run twice.",
        f"Lower the receiver's time_limit or chunk_size, or {limit.remedy}.",
    )


def _longest_run(options: Options, facts: CeleryFacts) -> float | None:
    """Return the seconds after which a run is ended; None if no time limit ends it."""
    own = options.time_limit or options.soft_time_limit
    return own * options.chunk_size if own else facts.time_limit


def _longest_wait(options: Options) -> float:
    """Return the seconds that a message may wait before a run, as far as the options tell."""
    if callable(options.countdown):
        return inf  # as long as LONGEST_WAIT lets it
    countdown = float(options.countdown) if is_number(options.countdown) else 0.0
    try:
        return max(countdown, policy_of(options).longest_wait)
    except ConfigurationError:
        return countdown


def _limit_of(facts: CeleryFacts, queue: object) -> Limit | None:
    """Return the shortest limit of the brokers that messages of a queue may go to."""
    limits = [_limit_on(transport, facts, queue) for transport in facts.transports]
    return min((limit for limit in limits if limit is not None), default=None)


def _limit_on(transport: str, facts: CeleryFacts, queue: object) -> Limit | None:
    if transport in REDIS or transport == "sqs":
        default = REDIS_VISIBILITY_TIMEOUT if transport in REDIS else SQS_VISIBILITY_TIMEOUT
        seconds = facts.visibility_timeout or default
        return Limit(
            seconds,
            _on_a_worker(facts, seconds / 2),
            "the broker redelivers a message",
            "raise visibility_timeout in CELERY_BROKER_TRANSPORT_OPTIONS",
        )
    if transport in RABBITMQ:
        arguments = facts.queues.get(queue, {}) if isinstance(queue, str) else {}
        own = arguments.get("x-consumer-timeout")
        return Limit(
            own / 1000 if is_number(own) else RABBITMQ_CONSUMER_TIMEOUT,
            _on_a_worker(facts, RABBITMQ_CONSUMER_TIMEOUT / 2),
            "RabbitMQ closes the worker's channel (consumer_timeout)",
            "give its queue the argument x-consumer-timeout (milliseconds) in CELERY_TASK_QUEUES",
        )
    return None


def _on_a_worker(facts: CeleryFacts, default: float) -> float:
    """Return the seconds that one piece of a wait takes on a worker, at most."""
    if facts.longest_wait == inf:
        return 0.0  # it waits on the broker
    return default if facts.longest_wait is None else facts.longest_wait
