"""What a receiver and its options name is compared, at connect, with what its signals send."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import django
import pytest
from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.core.signals import got_request_exception, request_finished, request_started
from django.db.models.signals import m2m_changed, post_delete, post_migrate, post_save
from django.dispatch import Signal

from deferred_signals import InvalidReceiver, changed, connect
from deferred_signals.receivers import registry
from tests.app.models import Order
from tests.support.callables import plain
from tests.support.connected import Connected

pytestmark = pytest.mark.django_db

OPT_IN = {"opt_in": True}


def misspelt(sender: object, instanze: object, **kwargs: object) -> None: ...


def asks_created(sender: object, instance: object, created: bool, **kwargs: object) -> None: ...


def asks_changes(sender: object, instance: object, changes: object, **kwargs: object) -> None: ...


def asks_response(sender: object, response: object, **kwargs: object) -> None: ...


def asks_apps(sender: object, *, apps: object, **kwargs: object) -> None: ...


def asks_raw(sender: object, instance: object, raw: bool, **kwargs: object) -> None: ...


def asks_anything(sender: object, request: object, **kwargs: object) -> None: ...


def by_position(sender: object, instance: object, /, **kwargs: object) -> None: ...


def with_defaults(
    sender: object, instanze: object = None, created: object = None, **kwargs: object
) -> None: ...


class Service:
    def method(self, sender: object, instanze: object, **kwargs: object) -> None: ...

    def __call__(self, sender: object, instanze: object, **kwargs: object) -> None: ...


service = Service()


def injecting(inner: Callable[..., Any]) -> Callable[..., Any]:
    """Give the function an argument that no signal sends."""

    @functools.wraps(inner)
    def outer(*args: Any, **kwargs: Any) -> Any:
        return inner(*args, instanze=1, **kwargs)

    return outer


cached = functools.lru_cache(misspelt)
filled = functools.partial(misspelt, instanze=1)


@pytest.mark.parametrize(
    ("signal", "function", "options", "words"),
    [
        (
            post_save,
            misspelt,
            {},
            "'instanze', which .*post_save do not get. Did you mean 'instance'",
        ),
        (post_save, service, {}, "Did you mean 'instance'"),
        (post_save, service.method, {}, "Did you mean 'instance'"),
        ([post_save, post_delete], asks_created, {}, "'created', which .*post_delete do not get"),
        (post_save, asks_changes, {}, r"comes with when=changed\(...\)"),
        (post_migrate, asks_apps, OPT_IN, "'apps', which .*post_migrate do not get"),
        (request_finished, asks_anything, OPT_IN, "'request'.* It has none"),
        (post_save, by_position, {}, "'instance' by position only.* Remove the /"),
        (Signal(), asks_response, {"exclude": ("response",)}, "'response', which exclude= leaves"),
        (
            post_save,
            asks_created,
            {"exclude": ("created",)},
            "'created', which exclude= leaves out",
        ),
    ],
)
def test_receiver_that_could_never_be_called_is_refused(
    signal: Any, function: Any, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidReceiver, match=words):
        connect(signal, function, name="tests.never", **options)
    assert registry.find("tests.never") is None


@pytest.mark.parametrize(
    ("signal", "function", "options"),
    [
        (post_save, with_defaults, {}),
        (post_save, injecting(misspelt), {}),
        (post_save, cached, {}),
        (post_save, filled, {}),
        (post_save, asks_created, {}),
        (post_save, asks_changes, {"when": changed("status"), "sender": Order}),
        (post_save, misspelt, {"capture": lambda sender, **kwargs: {"instanze": 1}}),
        (Signal(), misspelt, {}),
        (Signal(), asks_response, {"exclude": ("request",)}),
        (
            Signal(),
            asks_response,
            {"exclude": ("response",), "capture": lambda sender, **kwargs: {"response": 200}},
        ),
        (request_started, lambda sender, environ, **kwargs: None, OPT_IN),
        (got_request_exception, lambda sender, request, exception, **kwargs: None, OPT_IN),
        (post_migrate, lambda sender, app_config, plan, **kwargs: None, OPT_IN),
        (user_login_failed, lambda signal, sender, credentials, request, **kwargs: None, {}),
    ],
)
def test_receiver_that_can_be_called_is_accepted(
    signal: Any, function: Any, options: dict[str, Any], defer: Connected
) -> None:
    defer(signal, name="tests.callable", **options)(function)
    assert registry.find("tests.callable")


def test_raw_of_m2m_changed_is_sent_by_django_6_1_on(defer: Connected) -> None:
    if django.VERSION < (6, 1):
        with pytest.raises(InvalidReceiver, match=r"'raw', which .*m2m_changed do not get"):
            connect(m2m_changed, asks_raw, sender=Order.labels.through)
    else:
        defer(m2m_changed, sender=Order.labels.through)(asks_raw)
    defer(m2m_changed, sender=Order.labels.through, exclude=("raw",))(plain)


@pytest.mark.parametrize(
    ("signal", "options", "words"),
    [
        (post_save, {"snapshot": ("instanze",)}, "snapshot=.*'instanze'.*Did you mean 'instance'"),
        (
            post_save,
            {"exclude": ("respons",)},
            "exclude=.*'respons', which is no kwarg of .*post_s",
        ),
        (post_save, {"exclude": ("changes",)}, r"It comes with when=changed\(...\)"),
        (post_delete, {"exclude": ("created",)}, "exclude=.*'created'"),
        ([post_save, post_delete], {"exclude": ("origins",)}, "Did you mean 'origin'"),
        (user_logged_in, {"carry": ("_ip",)}, "carry=.*'instance'.*capture="),
        (post_save, {"carry": ("_ip",), "exclude": ("instance",)}, "carry=.*'instance'"),
        (request_finished, {**OPT_IN, "snapshot": ("user",)}, "It has none"),
        (Signal(), {"exclude": ("sender",)}, "sender and signal always travel"),
        (Signal(), {"snapshot": ("signal",)}, "names of kwargs or 'sender'"),
        (Signal(), {"carry": ("_old ",)}, "like '_old' or 'user.client_id'"),
        (Signal(), {"carry": ("user..id",)}, "like '_old' or 'user.client_id'"),
        (Signal(), {"carry": ("__class__",)}, "like '_old' or 'user.client_id'"),
    ],
)
def test_name_that_no_signal_of_the_receiver_has_is_refused(
    signal: Any, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidReceiver, match=words):
        connect(signal, plain, name="tests.names", **options)
    assert registry.find("tests.names") is None


@pytest.mark.parametrize(
    ("signal", "options"),
    [
        (post_save, {"snapshot": ("sender", "instance")}),
        (post_save, {"exclude": ("update_fields", "raw")}),
        (post_save, {"exclude": ("changes",), "when": changed("status"), "sender": Order}),
        ([post_save, post_delete], {"exclude": ("created", "origin"), "carry": ("_ip", "user.id")}),
        (post_migrate, {**OPT_IN, "exclude": ("apps", "stdout", "verbosity")}),
        (user_logged_in, {"capture": plain, "snapshot": ("profile",), "carry": ("_ip",)}),
        (Signal(), {"snapshot": ("sender", "order"), "exclude": ("request",), "carry": ("_ip",)}),
        ([Signal(), post_save], {"exclude": ("request",)}),
    ],
)
def test_name_that_some_signal_of_the_receiver_may_have_is_accepted(
    signal: Any, options: dict[str, Any], defer: Connected
) -> None:
    defer(signal, name="tests.names", **options)(plain)
    assert registry.find("tests.names")


def test_names_of_a_stack_are_those_of_all_its_signals(defer: Connected) -> None:
    @defer(post_delete, name="tests.stack", sender=Order, exclude=("created",))
    @defer(post_save, name="tests.stack", sender=Order, exclude=("created",))
    def receive(sender: object, **kwargs: object) -> None: ...

    assert len(registry.get("tests.stack").connections) == 2


@dataclass
class Placed:
    order: int
    note: str = ""


@dataclass
class Saved:
    instance: Any
    created: bool


@pytest.mark.parametrize(
    ("signal", "function", "options", "words"),
    [
        (
            Signal(),
            plain,
            {"snapshot": ("oder",)},
            "no kwarg of schema Placed. Did you mean 'order'",
        ),
        (Signal(), plain, {"exclude": ("nota",)}, "Did you mean 'note'"),
        (Signal(), plain, {"carry": ("_ip",)}, "carry=.* none from schema Placed"),
        (Signal(), asks_response, {}, "needs the argument 'response', which schema Placed"),
        (post_save, plain, {}, "promises 'order', which .*post_save never sends"),
        (post_save, asks_response, {"exclude": ("a",)}, "for 3 reasons"),
    ],
)
def test_names_are_held_against_the_schema(
    signal: Any, function: Any, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidReceiver, match=words):
        connect(signal, function, name="tests.schema", schema=Placed, **options)


def test_schema_that_fits_is_accepted(defer: Connected) -> None:
    defer(post_save, schema=Saved, exclude=("raw",), carry=("_ip",))(asks_created)
    defer(Signal(), schema=Placed, snapshot=("order",), exclude=("note",))(plain)
    defer(Signal(), schema=Placed)(injecting(asks_response))


@pytest.mark.parametrize("option", ["when", "capture", "queue", "countdown"])
@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (lambda instance, **kwargs: True, "multiple values for argument 'instance'"),
        (lambda sender, instance: True, "unexpected keyword argument"),
        (lambda sender, instanze, **kwargs: True, "missing a required argument: 'instanze'"),
        (lambda: True, "too many positional arguments"),
    ],
    ids=["no sender", "no kwargs", "misspelt", "nothing"],
)
def test_callable_that_could_not_be_asked_is_refused(option: str, asked: Any, words: str) -> None:
    with pytest.raises(InvalidReceiver, match=rf"{option}= .*post_save.*{words}.*\(sender, \*\*kw"):
        connect(post_save, plain, name="tests.asked", sender=Order, **{option: asked})


def test_key_that_could_not_be_asked_for_is_refused(defer: Connected) -> None:
    def key(instance: Any, **kwargs: object) -> object:
        return instance.pk

    with pytest.raises(InvalidReceiver, match=r"coalesce= .*multiple values"):
        connect(post_save, plain, name="tests.asked", sender=Order, coalesce=key)


@pytest.mark.parametrize(
    ("signal", "asked"),
    [
        (post_save, lambda sender, **kwargs: True),
        (post_save, lambda sender, instance, created=None, **kwargs: True),
        (post_save, lambda sender, *, instance, **kwargs: True),
        (post_save, lambda *args, **kwargs: True),
        (post_save, injecting(misspelt)),
        (request_started, lambda sender, environ: True),
        (Signal(), lambda order: True),
    ],
)
def test_callable_that_may_be_asked_is_accepted(
    signal: Signal, asked: Any, defer: Connected
) -> None:
    defer(signal, name="tests.asked", opt_in=True, when=asked)(plain)
    assert registry.find("tests.asked")
