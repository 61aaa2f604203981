"""The only customer of the shop, so that nobody needs to register."""

from django.contrib.auth import get_user_model

USERNAME = "ada"
PASSWORD = "tea-at-five"  # no secret: the login page shows it


def create() -> None:
    """Make the customer, unless an earlier start made it."""
    users = get_user_model().objects
    if not users.filter(username=USERNAME).exists():
        users.create_user(USERNAME, "ada@example.com", PASSWORD, first_name="Ada")
