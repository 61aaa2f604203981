"""An app of another package: it connects its receivers in `ready()`, and knows nothing of deferral."""

from typing import Any

from django.apps import AppConfig
from django.dispatch import Signal

published = Signal()


def make_redirect(sender: object, **kwargs: object) -> str:
    """Answer, as an ordinary receiver may."""
    return "made here and now"


class Other(AppConfig):
    """Notes which apps were made when it was ready."""

    name = "tests.support"
    label = "other_package"

    def ready(self) -> None:
        """Connect, as packages do."""
        published.connect(make_redirect)


class First(Other):
    """The same app, of another class."""

    label = "first_of_all"
    made: list[str] = []  # noqa: RUF012 - it is emptied by the test

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.made.append("made")

    def ready(self) -> None:
        """Note that it is ready."""
        self.made.append("ready")


class Second(First):
    """One more."""

    name = "tests.support.callables"
    label = "second_of_all"
