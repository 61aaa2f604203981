"""The page's receiver of allauth's signal."""

from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.account.signals import user_signed_up
from django.contrib.auth import get_user_model
from django.core import mail
from django.test import Client

from deferred_signals import SerializationError
from deferred_signals.testing import manual
from tests.support.connected import Connected

pytestmark = pytest.mark.django_db(transaction=True)


def post(client: Client, path: str, data: Mapping[str, object]) -> str:
    """Post a form, and return where the answer leads to."""
    answer = client.post(path, data)
    assert answer.status_code == 302, answer.content.decode()
    return str(answer["Location"])


def sent() -> list[tuple[str, list[str]]]:
    return [(str(message.body), message.to) for message in mail.outbox]


def test_new_user_is_welcomed_by_the_deferred_receiver() -> None:
    with manual() as messages:
        post(
            Client(),
            "/accounts/signup/",
            {
                "username": "ada",
                "email": "ada@example.com",
                "password1": "a long enough 1",
                "password2": "a long enough 1",
            },
        )
        assert sent() == []
        messages.run_deferred()
    assert sent() == [("You signed up by e-mail at testserver.", ["ada@example.com"])]
    assert get_user_model().objects.get().email == "ada@example.com"


def sign_up_by_dummy(client: Client) -> None:
    """Sign up by the provider that allauth has for tests."""
    form = post(client, "/accounts/dummy/login/", {})
    assert parse_qs(urlsplit(form).query)["state"]
    post(client, form, {"id": 7, "email": "bob@example.com", "username": "bob"})


def test_social_login_cannot_travel(defer: Connected) -> None:
    defer(user_signed_up)(lambda sender, **kwargs: None)
    with manual(), pytest.raises(SerializationError, match=r"sociallogin.*exclude="):
        sign_up_by_dummy(Client())


def test_user_of_a_social_login_is_welcomed_without_it() -> None:
    with manual() as messages:
        sign_up_by_dummy(Client())
        messages.run_deferred()
    assert sent() == [("You signed up by dummy at testserver.", ["bob@example.com"])]
