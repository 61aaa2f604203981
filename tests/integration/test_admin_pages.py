"""The outbox in Django's admin, in a real browser: light and dark, wide and narrow, and by keyboard alone."""

from collections.abc import Callable

import pytest
from django.contrib.admin.models import LogEntry
from playwright.sync_api import Page

from deferred_signals import Retry
from deferred_signals.outbox import pause, paused
from deferred_signals.outbox.models import OutboxMessage
from deferred_signals.outbox.operations import listing
from tests.app.models import Order
from tests.app.signals import order_placed
from tests.support.connected import Connected
from tests.support.stored import ago, stored

from .browsers import BASE, Visit, assert_accessible, chromium, visit

__all__ = ["chromium", "visit"]

pytestmark = [
    pytest.mark.urls("tests.support.admin_urls"),
    pytest.mark.django_db(transaction=True, databases=["default", "other"]),
]

ERROR = """\
Traceback (most recent call last):
  File "/srv/shop/shop/receivers.py", line 31, in book
    raise TimeoutError("the ledger does not answer")
TimeoutError: the ledger does not answer
"""


@pytest.fixture
def dead(chromium: object, defer: Connected, transactional_db: None) -> str:
    """Have messages of all states, and receivers of all kinds; give the id of a dead letter."""
    defer(order_placed, name="shop.receivers.book", durable=True)(lambda sender, **kwargs: None)
    defer(order_placed, name="shop.receivers.pack", durable=True, ordered_by="instance")(
        lambda sender, **kwargs: None
    )
    defer(order_placed, name="shop.mail.send_receipt", queue="mail", retry=Retry(max_attempts=5))(
        lambda sender, **kwargs: None
    )
    pause("shop.receivers.pack")
    Order.objects.create(pk=7)
    for number in range(4):
        stored("shop.receivers.book", subject=f"shop.Order {number}")
    stored("shop.receivers.book", attempt=1, error=ERROR, due_at=ago(-30))
    stored("shop.receivers.pack", due_at=ago(5))
    stored("shop.mail.send_receipt", due_at=ago(-60), woken_at=ago(1))
    stored(
        "shop.receivers.book", due_at=ago(-50), attempt=1, claimed_by="web-1:712", claimed_at=ago(9)
    )
    return stored(
        "shop.receivers.book",
        {"order": {"$ref": ["tests_app.Order", 7, "default"]}, "note": "leave it at the door"},
        subject="tests_app.Order 7",
        attempt=3,
        dead_at=ago(90),
        error=ERROR,
    )


#: Names the elements that make a page wider than its window.
WIDER = """width => document.documentElement.scrollWidth <= width ? [] :
    [...document.querySelectorAll("body *")]
        .filter(one => one.getBoundingClientRect().right > width && !one.closest(".ds-scroll, .ds-pre"))
        .map(one => `${one.tagName} ${one.className} ${one.getBoundingClientRect().right}`)
"""

#: Names the element that has the focus, and tells whether it shows that.
FOCUSED = """() => {
    const one = document.activeElement, style = getComputedStyle(one);
    const label = one.labels && one.labels.length ? one.labels[0].innerText : "";
    const name = one.getAttribute("aria-label") || label || one.innerText || "";
    return {name: name.trim(), is_outlined: style.outlineStyle !== "none"};
}"""

LOOKS = [("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390)]


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
@pytest.mark.parametrize(
    "path",
    [
        "/outboxmessage/",
        "/outboxmessage/?state=dead",
        "/outboxmessage/?q=nobody",
        "/outboxmessage/{dead}/change/",
        "/outboxmessage/{dead}/change/?values=1",
        "/receiver/",
        "/receiver/?whose=all",
    ],
)
def test_page_has_no_barriers(path: str, scheme: str, width: int, dead: str, visit: Visit) -> None:
    page = visit(f"{BASE}{path.format(dead=dead)}", scheme, width)
    assert_accessible(page)
    # Nothing but a table, a text or the diagram, which scroll by themselves, is wider than the window.
    wide = page.evaluate(WIDER, width)
    assert wide == []


def test_page_that_asks_whether_one_is_sure_has_no_barriers(dead: str, visit: Visit) -> None:
    page = visit(f"{BASE}/outboxmessage/{dead}/change/")
    page.get_by_role("button", name="Discard").click()
    assert page.get_by_role("heading", level=1).inner_text() == "Discard: are you sure?"
    assert_accessible(page)
    page.get_by_role("button", name="Discard 1 message").click()
    assert page.locator(".messagelist").inner_text() == "1 dead letter was discarded."
    assert_accessible(page)
    assert not OutboxMessage.objects.filter(id=dead).exists()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_of_bad_news_has_no_barriers(scheme: str, dead: str, visit: Visit) -> None:
    stored("shop.receivers.book", due_at=ago(900))
    page = visit(f"{BASE}/outboxmessage/", scheme)
    page.get_by_label("of this page").check()
    page.get_by_role("button", name="Cancel").click()
    assert_accessible(page)
    page.get_by_role("button", name="Cancel 9 messages").click()
    told = page.locator(".messagelist").inner_text()
    assert "is being run by web-1:712" in told
    assert "1 message was not cancelled" in told
    assert_accessible(page)
    stored("shop.receivers.book", due_at=ago(900))
    page.reload()
    assert "no relay lives" in page.locator("main").inner_text()
    assert_accessible(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_of_a_long_list_have_no_barriers(
    scheme: str,
    dead: str,
    visit: Visit,
    configure: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    configure(OUTBOX={"DATABASES": ["default", "other"]})
    monkeypatch.setattr(listing, "FEW_LOOKED_AT", 10)
    monkeypatch.setattr(listing, "MOST_LOOKED_AT", 30)
    for _ in range(listing.PAGE):
        stored("shop.receivers.book")
    page = visit(f"{BASE}/outboxmessage/", scheme)
    page.get_by_role("link", name="Next page").click()
    page.get_by_role("link", name="Previous page").wait_for()
    assert_accessible(page)
    page.get_by_role("searchbox").last.fill("send_receipt")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Look through more").click()
    page.wait_for_url("**after=**")
    assert "shop.mail.send_receipt" in page.locator("main").inner_text()
    assert_accessible(page)
    page.get_by_role("link", name="other", exact=True).click()
    page.wait_for_url("**using=other**")
    assert_accessible(page)


def reach(page: Page, name: str) -> None:
    """Go on by Tab until an element of some name has the focus, and is to be seen."""
    for _ in range(80):
        page.keyboard.press("Tab")
        focused = page.evaluate(FOCUSED)
        if focused["name"].startswith(name):
            assert focused["is_outlined"], f"{name} does not show that it has the focus"
            return
    pytest.fail(f"Tab does not lead to {name!r}.")


def test_dead_letter_is_replayed_by_keyboard_alone(dead: str, visit: Visit) -> None:
    page = visit(f"{BASE}/outboxmessage/")
    reach(page, "dead")
    page.keyboard.press("Enter")
    page.wait_for_url("**/outboxmessage/?state=dead&using=default")
    reach(page, "shop.receivers.book")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/{dead}/change/")
    reach(page, "Replay")
    page.keyboard.press("Enter")
    page.wait_for_selector(".messagelist")
    assert "1 message was replayed." in page.locator(".messagelist").inner_text()
    assert OutboxMessage.objects.get(id=dead).dead_at is None
    assert LogEntry.objects.get(object_id=dead).change_message == "Replayed."


def test_receiver_is_searched_and_resumed_by_keyboard_alone(dead: str, visit: Visit) -> None:
    page = visit(f"{BASE}/receiver/")
    reach(page, "Signal, sender, receiver or queue")
    page.keyboard.type("shop.receivers")
    page.keyboard.press("Enter")
    page.wait_for_url("**/receiver/?q=shop.receivers&**")
    assert page.locator(".ds-receiver").count() == 2
    reach(page, "Resume shop.receivers.pack")
    page.keyboard.press("Enter")
    page.wait_for_selector(".messagelist")
    assert "shop.receivers.pack is resumed." in page.locator(".messagelist").inner_text()
    assert paused() == []


def test_messages_are_chosen_and_cancelled_without_scripts(dead: str, visit: Visit) -> None:
    page = visit(f"{BASE}/outboxmessage/?state=waiting", scripts=False)
    page.get_by_label("All 4 of this page").check()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Cancel 4 messages").click()
    assert page.locator(".messagelist").inner_text() == "4 messages were cancelled."
    assert page.url.endswith("/outboxmessage/?state=waiting&using=default")


@pytest.mark.parametrize("path", ["/outboxmessage/", "/receiver/?whose=all"])
def test_pages_load_nothing_from_elsewhere(path: str, dead: str, visit: Visit) -> None:
    page = visit(f"{BASE}{path}")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload(wait_until="networkidle")
    host = page.url.partition("/admin/")[0]
    assert asked
    assert [url for url in asked if not url.startswith(f"{host}/")] == []
