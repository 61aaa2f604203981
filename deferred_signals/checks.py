"""System checks: what is wrong with the settings, Celery or a receiver, and how to mend it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.core import checks
from django.db.models.signals import ModelSignal

from deferred_signals import conf, registry
from deferred_signals.errors import ConfigurationError
from deferred_signals.inspection import Findings, inspect_receiver
from deferred_signals.options import policy_of
from deferred_signals.running.facts import CeleryFacts, always_eager, celery_facts

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__: list[str] = []

#: Seconds that Redis waits for an acknowledgement where the project says nothing (kombu's default).
REDIS_VISIBILITY_TIMEOUT = 3600.0

#: Transport options by which sockets of the project's own Celery connections do not wait for ever.
_REDIS = frozenset({"socket_timeout", "socket_connect_timeout"})
_AMQP = frozenset({"read_timeout", "write_timeout"})
SOCKET_TIMEOUTS = {
    "redis": _REDIS,
    "rediss": _REDIS,
    "sentinel": _REDIS,
    "amqp": _AMQP,
    "amqps": _AMQP,
    "pyamqp": _AMQP,
}


@checks.register("deferred_signals")
def check_settings(**_kwargs: Any) -> list[checks.CheckMessage]:
    """E001: the ``DEFERRED_SIGNALS`` setting has an unknown key or a wrong value."""
    return [
        checks.Error(problem.text, hint=problem.hint, id="deferred_signals.E001")
        for problem in conf.problems()
    ]


@checks.register("deferred_signals")
def check_policies(**_kwargs: Any) -> list[checks.CheckMessage]:
    """E002: a receiver's ``retry`` names a policy that the settings do not have."""
    found: list[checks.CheckMessage] = []
    for receiver in _receivers():
        try:
            policy_of(receiver.options)
        except ConfigurationError as error:
            found.append(
                checks.Error(
                    f"Receiver {receiver.name}: {error}",
                    hint="Add the policy to RETRY_POLICIES, or correct retry=.",
                    id="deferred_signals.E002",
                )
            )
    return found


@checks.register("deferred_signals")
def check_celery(**_kwargs: Any) -> list[checks.CheckMessage]:
    """W001 to W003, W008: Celery as it is configured would not carry messages as one expects."""
    if not any(_receivers()):
        return []
    facts = celery_facts()
    if not facts.configured:
        return [
            checks.Warning(
                "There are deferred receivers, but no Celery app: messages would go to "
                "Celery's bare default, a RabbitMQ on this machine.",
                hint="Make an app in your project's celery.py, and import it in the project's "
                "__init__.py, as Celery's 'First steps with Django' shows.",
                id="deferred_signals.W001",
            )
        ]
    return [*_check_pickle(facts), *_check_visibility(facts), *_check_timeouts(facts)]


@checks.register("deferred_signals")
def check_sources(**_kwargs: Any) -> list[checks.CheckMessage]:
    """W005 to W007: a receiver's source asks for what it will not have when it is deferred."""
    found: list[checks.CheckMessage] = []
    for receiver in _receivers():
        found += _check_all_models(receiver)
        findings = inspect_receiver(receiver.function)
        if findings is not None:
            found += _check_attributes(receiver, findings)
        if findings is not None and findings.returns_value:
            found.append(
                checks.Warning(
                    f"Receiver {receiver.name} returns a value, and nobody will see it.",
                    hint="A receiver whose answer matters to the sender cannot be deferred; "
                    "else let it return nothing.",
                    id="deferred_signals.W007",
                )
            )
    return found


@checks.register("deferred_signals", deploy=True)
def check_eager(**_kwargs: Any) -> list[checks.CheckMessage]:
    """W004: eager mode is on in a deployment."""
    if conf.problems() or not (conf.current().EAGER or always_eager()):
        return []
    return [
        checks.Warning(
            "Deferred receivers run inside the sender's process: eager mode is on.",
            hint="Remove DEFERRED_SIGNALS['EAGER'] and CELERY_TASK_ALWAYS_EAGER from the "
            "settings of a deployment.",
            id="deferred_signals.W004",
        )
    ]


def _check_all_models(receiver: registry.Receiver) -> Iterator[checks.CheckMessage]:
    for signal, sender, _uid in receiver.connections:
        if isinstance(signal, ModelSignal) and sender is None and receiver.options.when is None:
            yield checks.Warning(
                f"Receiver {receiver.name} is deferred for every model there is: sessions, log "
                f"entries and the results of tasks, too.",
                hint="Name a sender=, or hold back what is not meant with when=.",
                id="deferred_signals.W006",
            )
            return


def _check_attributes(
    receiver: registry.Receiver, findings: Findings
) -> Iterator[checks.CheckMessage]:
    """Attributes that other code set on the instance stay where they were set."""
    models = [
        apps.get_model(sender) if isinstance(sender, str) else sender
        for signal, sender, _uid in receiver.connections
        if isinstance(signal, ModelSignal)
    ]
    carried = {path.partition(".")[0] for path in receiver.options.carry}
    for name in sorted(findings.attributes - carried):
        known = [model for model in models if model is not None]
        lacking = any(not _has(model, name) for model in known)
        if models and (lacking if known else name.startswith("_")):
            yield checks.Warning(
                f"Receiver {receiver.name} reads instance.{name}, which is no field: the row that "
                f"it gets on the worker will not have it.",
                hint=f"Let it travel with carry=({name!r},), or read what is needed at send with "
                f"capture=.",
                id="deferred_signals.W005",
            )


def _has(model: Any, name: str) -> bool:
    return hasattr(model, name) or any(
        name in {field.name, getattr(field, "attname", None)} for field in model._meta.get_fields()
    )


def _check_pickle(facts: CeleryFacts) -> Iterator[checks.CheckMessage]:
    if facts.accepts_pickle:
        yield checks.Warning(
            "Celery accepts pickle, which runs what a message from the broker says.",
            hint="Take 'pickle' out of accept_content; deferred receivers need 'json' only.",
            id="deferred_signals.W002",
        )


def _check_visibility(facts: CeleryFacts) -> Iterator[checks.CheckMessage]:
    """A message that is not acknowledged in time is given out again, while it waits or runs."""
    if facts.transport not in {"redis", "rediss", "sentinel", "sqs"}:
        return
    timeout = facts.visibility_timeout or REDIS_VISIBILITY_TIMEOUT
    for receiver in _receivers():
        try:
            wait = policy_of(receiver.options).longest_wait
        except ConfigurationError:
            continue
        options = receiver.options
        limit = (options.time_limit or 0.0) * options.chunk_size or facts.time_limit or 0.0
        for seconds, what in ((wait, "wait for a retry"), (limit, "run, by its time limit")):
            if seconds >= timeout:
                yield checks.Warning(
                    f"Receiver {receiver.name} may {what} for {seconds:g} s, but the broker gives "
                    f"a message out again after {timeout:g} s: it would run twice.",
                    hint="Raise visibility_timeout in CELERY_BROKER_TRANSPORT_OPTIONS above both, "
                    "or lower the receiver's wait_max, time_limit or chunk_size.",
                    id="deferred_signals.W003",
                )


def _check_timeouts(facts: CeleryFacts) -> Iterator[checks.CheckMessage]:
    """Our own connection is bounded; those of ``task.delay()`` and of workers are the project's."""
    missing = SOCKET_TIMEOUTS.get(facts.transport, frozenset()) - facts.transport_options
    if missing:
        options = ", ".join(f"{name!r}: 30" for name in sorted(missing))
        yield checks.Warning(
            "A broker that accepts connections and never answers would hold up task.delay() and "
            "workers for ever: their sockets have no timeouts. (Deferred receivers are published "
            "over a connection that has them.)",
            hint=f"Add {options} (seconds) to CELERY_BROKER_TRANSPORT_OPTIONS.",
            id="deferred_signals.W008",
        )


def _receivers() -> Iterator[registry.Receiver]:
    return registry.all_receivers()
