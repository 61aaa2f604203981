"""The only customer of the shop, so that nobody needs to register."""

from typing import Any

from django.contrib.auth import get_user_model

USERNAME = "ada"
PASSWORD = "tea-at-five"  # no secret: the login page shows it


def create() -> None:
    """Make the customer, who may also use the admin, unless an earlier start made her."""
    users = get_user_model().objects
    if not users.filter(username=USERNAME).exists():
        users.create_superuser(USERNAME, "ada@example.com", PASSWORD, first_name="Ada")


def find() -> Any:
    """Return the customer, who orders without logging in."""
    return get_user_model().objects.get(username=USERNAME)
