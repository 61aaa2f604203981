"""Wagtail's receivers, which the settings of the page defer."""

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.files.base import ContentFile
from wagtail.contrib.redirects.models import Redirect
from wagtail.documents.models import Document
from wagtail.images.models import Image
from wagtail.images.tests.utils import get_test_image_file

from deferred_signals.receivers import registry
from deferred_signals.testing import inline, manual
from tests.packages.site import make_collection, make_site

HANDLERS = "wagtail.contrib.redirects.signal_handlers"

pytestmark = pytest.mark.django_db(transaction=True)


def redirects() -> dict[str, str]:
    """Return the slug of the page that each old path leads to."""
    return dict(Redirect.objects.values_list("old_path", "redirect_page__slug"))


def test_each_entry_has_deferred_its_receiver() -> None:
    found = {receiver.name for receiver in registry.all_receivers()}
    assert settings.DEFERRED_SIGNALS["DEFER"].keys() <= found


def test_redirects_of_a_page_whose_slug_changes_are_made_by_the_deferred_receiver() -> None:
    page, _below = make_site()
    with manual() as messages:
        page.slug = "footwear"
        page.save()
        assert redirects() == {}
        messages.run_deferred()
    assert redirects() == {"/shoes": "footwear", "/shoes/boots": "boots"}


def test_redirects_of_a_page_that_is_moved_are_made_by_the_deferred_receiver() -> None:
    page, below = make_site()
    with inline():
        below.move(page.get_parent(), pos="last-child")
    assert redirects() == {"/shoes/boots": "boots"}


@pytest.mark.parametrize("kind", [Image, Document])
def test_file_of_a_deleted_row_is_removed_by_the_deferred_receiver(kind: Any) -> None:
    make_collection()
    file = get_test_image_file() if kind is Image else ContentFile(b"terms", name="terms.txt")
    row = kind.objects.create(title="A file", file=file)
    path = Path(row.file.path)
    with manual() as messages:
        row.delete()
        assert path.exists()
        messages.run_deferred()
    assert not path.exists()
