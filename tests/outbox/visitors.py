"""Visitors of the admin: `visitor` logs in a member of the staff who has some permissions."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

__all__ = ["Visitor", "admin_url", "visitor"]

LABEL = "deferred_signals_outbox"


def admin_url(name: str, *arguments: str) -> str:
    """Return the address of a page of the outbox, as `outboxmessage_change`."""
    return reverse(f"admin:{LABEL}_{name}", args=arguments)


class Visitor:
    """A member of the staff, and what the pages tell them.

    Arguments:
        permissions: codenames of the outbox's app; with none, a superuser.
        checks: whether forms must have a CSRF token.
    """

    def __init__(self, *permissions: str, name: str = "eve", checks: bool = False) -> None:
        self.user = User.objects.create_user(name, is_staff=True, is_superuser=not permissions)
        found = Permission.objects.filter(content_type__app_label=LABEL, codename__in=permissions)
        assert len(found) == len(permissions)
        self.user.user_permissions.set(found)
        self.client = Client(enforce_csrf_checks=checks)
        self.client.force_login(self.user)

    def get(self, name: str, *arguments: str, **query: str) -> HttpResponse:
        """Visit a page."""
        return self._told(self.client.get(admin_url(name, *arguments), query))

    def post(self, name: str, **data: Any) -> HttpResponse:
        """Send a form, and follow to the page that is shown then."""
        return self._told(self.client.post(admin_url(name), data, follow=True))

    def act(self, act: str, *ids: str, **data: Any) -> HttpResponse:
        """Do something to messages, and be sure about it."""
        return self.post("outboxmessage_act", act=act, id=ids, **{"is_sure": "1", **data})

    def _told(self, response: Any) -> HttpResponse:
        assert isinstance(response, HttpResponse)
        return response


def link_of(response: Any, rel: str) -> str:
    """Return where a link of a page leads to."""
    (found,) = (part for part in response.content.decode().split("<a ") if f'rel="{rel}"' in part)
    return str(found.partition('href="')[2].partition('"')[0].replace("&amp;", "&"))


def text_of(response: Any) -> str:
    """Return what a page says, without its markup, on one line."""
    html = response.content.decode()
    inner = html[html.find('<main id="content-start"') : html.find("</main>")]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", inner)).replace(" ,", ",").strip()


@pytest.fixture
def visitor() -> Iterator[Callable[..., Visitor]]:
    """Log visitors in; they are gone after the test, and so is what they did."""
    yield Visitor
    User.objects.all().delete()
