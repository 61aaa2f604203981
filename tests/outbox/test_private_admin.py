"""What the outbox's pages rely on in Django's admin and what it does not document."""

import re
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.template import Engine

from deferred_signals import outbox
from deferred_signals.outbox.admin.read_only import HAS_LIST_OF_CRUMBS

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])

ROOM = Path(outbox.__path__[0])
TEMPLATES = sorted((ROOM / "templates/admin/deferred_signals_outbox").glob("*.html"))
CSS = ROOM / "static/deferred_signals_outbox/admin.css"


def source(name: str) -> str:
    """Return the text of a template."""
    return str(Engine.get_default().get_template(name).source)


def blocks(text: str) -> set[str]:
    return set(re.findall(r"{% block ([\w-]+) %}", text))


def test_base_template_has_the_blocks_that_the_pages_fill() -> None:
    filled = {name for path in TEMPLATES for name in blocks(path.read_text(encoding="utf-8"))}
    assert len(filled) > 5
    assert filled <= blocks(source("admin/base.html")) | blocks(source("admin/base_site.html"))


def test_crumbs_are_a_list_where_those_of_django_are() -> None:
    assert ('<ol class="breadcrumbs">' in source("admin/base.html")) == HAS_LIST_OF_CRUMBS


def test_stylesheet_of_the_admin_has_the_colours_that_the_pages_use() -> None:
    base = finders.find("admin/css/base.css")
    assert isinstance(base, str)
    used = set(re.findall(r"var\((--(?!ds-)[\w-]+)", CSS.read_text(encoding="utf-8")))
    assert len(used) > 10
    assert used <= set(re.findall(r"(--[\w-]+):", Path(base).read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", [CSS, *TEMPLATES], ids=lambda path: path.name)
def test_pages_name_nothing_elsewhere(path: Path) -> None:
    assert not re.search(r"https?:|//\w|@import|<script", path.read_text(encoding="utf-8"))
