"""Wagtail disconnects receivers before migrations, and connects them again afterwards."""

from collections.abc import Iterator

import pytest
from django.core.files.base import ContentFile
from django.core.management import call_command
from wagtail.documents.models import Document
from wagtail.models import ReferenceIndex
from wagtail.signal_handlers import (
    connect_reference_index_signal_handlers,
    disconnect_reference_index_signal_handlers,
    remove_reference_index_on_delete,
)

from deferred_signals.receivers import registry
from deferred_signals.testing import manual
from tests.packages.site import make_collection
from tests.support.by_settings import BySettings


@pytest.fixture
def disconnected() -> Iterator[None]:
    """Disconnect the receivers; after the test, connect them as the project has them."""
    disconnect_reference_index_signal_handlers()
    yield
    connect_reference_index_signal_handlers()


@pytest.mark.django_db(transaction=True)
def test_receiver_is_deferred_again_after_migrations(
    disconnected: None, by_settings: BySettings
) -> None:
    path = "wagtail.signal_handlers.remove_reference_index_on_delete"
    by_settings({path: {}})
    for _ in range(2):
        call_command("migrate", verbosity=0)
        connections = registry.get(path).connections
        assert {item.sender for item in connections} == ReferenceIndex.tracked_models
    make_collection()
    document = Document.objects.create(title="Terms", file=ContentFile(b"x", name="terms.txt"))
    with manual() as messages:
        document.delete()
        messages.assert_deferred(remove_reference_index_on_delete)
        messages.run_deferred()
    disconnect_reference_index_signal_handlers()
    assert registry.get(path).connections == []
