"""Django's own `TestCase` in eager mode: data of the class is made before a test's block is open."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction
from django.db.models.signals import post_save
from django.test import TestCase, override_settings

from tests.app.models import Label
from tests.support.connected import Connected

#: Names of the labels that the receiver saw. `TestCase` would copy a list on the class.
RAN: list[str] = []


@contextmanager
def listening() -> Iterator[None]:
    """Connect a receiver to the saving of labels."""
    defer = Connected()

    @defer(post_save, sender=Label)
    def receive(sender: type, instance: Label, **kwargs: object) -> None:
        RAN.append(instance.name)

    yield
    defer.end()


@override_settings(DEFERRED_SIGNALS={"EAGER": True})
class EagerTests(TestCase):
    """Runs of the class's data and of the test's own."""

    @classmethod
    def setUpClass(cls) -> None:
        RAN.clear()
        cls.enterClassContext(listening())
        super().setUpClass()

    @classmethod
    def setUpTestData(cls) -> None:
        Label.objects.create(name="of the class")
        with transaction.atomic():
            Label.objects.create(name="of a block of the class")

    def test_receivers_of_the_classs_data_ran(self) -> None:
        assert RAN[:2] == ["of the class", "of a block of the class"]

    def test_receivers_of_the_tests_data_run_at_the_end_of_its_blocks(self) -> None:
        del RAN[2:]
        with transaction.atomic():
            Label.objects.create(name="of the test")
            assert RAN[2:] == []
        assert RAN[2:] == ["of the test"]
        assert connection.execute_wrappers == []
