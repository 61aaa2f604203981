"""A site of Wagtail's: two pages, and a place for files.

Wagtail's migrations make one, which a flush removes.
"""

from django.contrib.contenttypes.models import ContentType
from wagtail.models import Collection, Locale, Page, Site


def make_site() -> tuple[Page, Page]:
    """Make a site; return a page of it, and a page below that one."""
    Locale.objects.get_or_create(language_code="en")
    Site.objects.all().delete()
    Page.objects.all().delete()
    kind = ContentType.objects.get_for_model(Page)
    root = Page.add_root(instance=Page(title="Root", slug="root", content_type=kind))
    home = root.add_child(instance=Page(title="Home", slug="home"))
    Site.objects.create(hostname="testserver", root_page=home, is_default_site=True)
    page = home.add_child(instance=Page(title="Shoes", slug="shoes"))
    below = page.add_child(instance=Page(title="Boots", slug="boots"))
    return page, below


def make_collection() -> None:
    """Make the collection that files belong to."""
    if not Collection.objects.exists():
        Collection.add_root(name="Root")
