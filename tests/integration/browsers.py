"""A real browser on the admin's pages: `visit` opens one of them, for a user who is logged in."""

import shutil
from collections.abc import Callable, Iterator
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Browser, Page, expect, sync_playwright
from pytest_django.live_server_helper import LiveServer

from tests.support.services import absent

__all__ = ["BASE", "PATIENCE", "assert_accessible", "chromium", "visit"]

#: Where the outbox is in the admin.
BASE = "/admin/deferred_signals_outbox"

#: Milliseconds in which a page is to become what a test expects, where other processes do a part of it, too.
PATIENCE = 25_000

Scheme = Literal["light", "dark"]
Visit = Callable[..., Page]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Start Debian's chromium; skip, or fail where `CI=true`, if it is not installed."""
    path = shutil.which("chromium")
    if path is None:
        absent("chromium is not installed.")
    # Playwright's event loop belongs to this thread as long as the browser runs, and Django would take each
    # query of the test for one within a coroutine.
    with pytest.MonkeyPatch.context() as patched, sync_playwright() as playwright:
        patched.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        expect.set_options(timeout=PATIENCE)
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Browser, transactional_db: None, live_server: LiveServer) -> Iterator[Visit]:
    """Open pages, each in a window of its own, as a superuser."""
    user = User.objects.create_superuser("root")
    client = Client()
    client.force_login(user)
    cookie = client.cookies["sessionid"].value
    contexts = []

    def visit(
        path: str, scheme: Scheme = "light", width: int = 1280, *, scripts: bool = True
    ) -> Page:
        context = chromium.new_context(
            color_scheme=scheme,
            viewport={"width": width, "height": 900},
            java_script_enabled=scripts,
        )
        contexts.append(context)
        context.add_cookies([{"name": "sessionid", "value": cookie, "url": live_server.url}])
        page = context.new_page()
        page.goto(f"{live_server.url}{path}")
        return page

    yield visit
    for context in contexts:
        context.close()


def assert_accessible(page: Page) -> None:
    """Let axe-core look at a page; it must find nothing."""
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
