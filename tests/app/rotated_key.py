"""A project that has rotated its secret key, for tests."""

from django.conf import settings


def connect() -> None:
    """Rotate the key of this process."""
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "rotated"
