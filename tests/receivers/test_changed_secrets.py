"""A message says that a secret has changed, and has neither of its values."""

import json
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models.signals import post_save

from deferred_signals import UNKNOWN, changed
from tests.support.broker import Broker
from tests.support.connected import Connected
from tests.support.followed_models import Followed

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("followed_tables", "no_rows_left"),
]

Taken = list[dict[str, Any]]


@pytest.fixture
def no_rows_left() -> Any:
    """Empty the table, which Django does only for managed models."""
    yield
    Followed.objects.all().delete()


def receive(sender: object, **kwargs: object) -> None:
    """Never run: no test here delivers the message."""


def taken(broker: Broker) -> tuple[Taken, str]:
    """Take what was published: the changes, and all the text there is."""
    published = broker.take()
    text = json.dumps([[item.message.kwargs, item.headers] for item in published], default=str)
    return [item.kwargs["changes"] for item in published], text


CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "name of a secret": ({}, {"api_key": "swordfish"}),
    "field that encrypts": ({}, {"diary": "swordfish"}),
    "excluded field": ({"exclude_fields": ("name",)}, {"name": "swordfish"}),
    "excluded date": ({"exclude_fields": ("on",)}, {"on": date(1999, 1, 31)}),
}


@pytest.mark.parametrize("case", CASES)
def test_secret_is_told_to_have_changed_and_nothing_else(
    case: str, defer: Connected, broker: Broker
) -> None:
    options, fields = CASES[case]
    (name,) = fields
    defer(post_save, sender=Followed, when=changed(name, "count"), **options)(receive)
    row = Followed.objects.create(count=1, **fields)
    row.count = 2
    setattr(row, name, None if name == "on" else "password1")
    row.save()
    changes, text = taken(broker)
    assert changes == [
        {name: (UNKNOWN, UNKNOWN), "count": (None, 1)},
        {name: (UNKNOWN, UNKNOWN), "count": (1, 2)},
    ]
    for value in ("swordfish", "password1", "1999"):
        assert value not in text


def test_condition_may_ask_for_a_secrets_value(defer: Connected, broker: Broker) -> None:
    condition = changed("api_key", to="", was="swordfish")
    defer(post_save, sender=Followed, when=condition)(receive)
    row = Followed.objects.create(api_key="swordfish")
    row.save()
    row.api_key = ""
    row.save()
    changes, text = taken(broker)
    assert changes == [{"api_key": (UNKNOWN, UNKNOWN)}]
    assert "swordfish" not in text


def test_password_is_a_secret_whatever_the_settings_say(
    defer: Connected, broker: Broker, configure: Callable[..., None]
) -> None:
    configure(SENSITIVE=())
    defer(post_save, sender=User, when=changed("password"))(receive)
    user = User.objects.create_user("ada", password="swordfish")
    hashed = user.password
    user.set_password("other")
    user.save()
    changes, text = taken(broker)
    assert changes == [{"password": (UNKNOWN, UNKNOWN)}] * 2
    for value in (hashed, user.password):
        assert value not in text


@pytest.mark.parametrize("names", [("NAME",), ("Name", "x")])
def test_names_of_the_setting_are_folded_and_whole(
    names: tuple[str, ...], defer: Connected, broker: Broker, configure: Callable[..., None]
) -> None:
    configure(SENSITIVE=names)
    defer(post_save, sender=Followed, when=changed("name", "api_key"))(receive)
    Followed.objects.create(name="swordfish", api_key="public")
    changes, text = taken(broker)
    assert changes == [{"name": (UNKNOWN, UNKNOWN), "api_key": (None, "public")}]
    assert "swordfish" not in text


def test_secrets_of_coalesced_sends_stay_secret(defer: Connected, broker: Broker) -> None:
    defer(post_save, sender=Followed, when=changed("api_key", "count"), coalesce=True)(receive)
    with transaction.atomic():
        row = Followed.objects.create(api_key="swordfish", count=1)
        row.api_key, row.count = "password1", 2
        row.save()
    changes, text = taken(broker)
    assert changes == [{"api_key": (UNKNOWN, UNKNOWN), "count": (None, 2)}]
    assert "swordfish" not in text


def test_changes_that_are_excluded_are_a_condition_alone(defer: Connected, broker: Broker) -> None:
    defer(post_save, sender=Followed, when=changed("name"), exclude=("changes",))(receive)
    row = Followed.objects.create(name="swordfish")
    row.save()
    (published,) = broker.take()
    assert "changes" not in published.kwargs
