"""The page of the demo, in a real browser on real processes: each button does what it says."""

import re
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.support.demo import Demo

from .browsers import PATIENCE, assert_accessible, chromium

__all__ = ["chromium"]

#: Names the elements that make a page wider than its window.
WIDER = """width => document.documentElement.scrollWidth <= width ? [] :
    [...document.querySelectorAll("body *")]
        .filter(one => one.getBoundingClientRect().right > width && !one.closest("pre"))
        .map(one => `${one.tagName} ${one.className}`)
"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    served = Demo(tmp_path_factory.mktemp("demo"), "--serve", "--port", "0")
    yield served
    served.kill()


@pytest.fixture(scope="module")
def address(demo: Demo) -> str:
    demo.wait_for("Ctrl-C stops the shop")
    found = re.search(r"Open (http://[\d.:]+)", demo.output)
    assert found
    return found[1]


@pytest.fixture
def page(chromium: Browser, address: str) -> Iterator[Page]:
    """Open the page, and leave gateway and broker as they were."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto(address)
    yield page
    for name in ("Mend the mail gateway", "Resume the broker"):
        if page.get_by_role("button", name=name).count():
            press(page, name)
    context.close()


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def ordered(page: Page, button: str) -> Locator:
    """Press a button that places an order; return what the timeline has of that order."""
    before = page.locator("article.scene").evaluate_all("all => all.map(one => one.id)")
    press(page, button)
    others = "".join(f":not(#{id_})" for id_ in before)
    new = page.locator(f"article.scene{others}")
    expect(new).to_have_count(1)
    return page.locator(f"#{new.get_attribute('id')}")


def line(scene: Locator, word: str, text: str = "") -> Locator:
    """Return the lines of an order that begin with a word."""
    has_word = scene.page.locator(".word", has_text=re.compile(rf"^{word}$"))
    return scene.locator("li", has=has_word).filter(has_text=text)


def comes(found: Locator, times: int = 1) -> Locator:
    expect(found).to_have_count(times)
    return found


def pid(found: Locator) -> int:
    """Return the process of a line."""
    return int(found.locator(".process").inner_text().split()[1])


def shown_pid(page: Page, name: str) -> int:
    return int(page.locator(f"#process-{name} .mono").inner_text())


def test_page_has_an_order_to_show_at_once(page: Page) -> None:
    first = page.locator("article.scene", has_text="1 x Teapot").last
    comes(line(first, "succeeded", "send_receipt"))
    comes(line(first, "commit"))


def test_order_is_followed_by_a_receipt_from_a_worker(page: Page, demo: Demo) -> None:
    scene = ordered(page, "Place an order")
    worker = pid(comes(line(scene, "succeeded", "send_receipt")))
    assert worker in demo.family("celery")
    assert pid(line(scene, "commit")) == shown_pid(page, "site") != worker
    expect(scene.locator("h3")).to_contain_text("done")


def test_order_that_is_rolled_back_runs_nothing(page: Page) -> None:
    scene = ordered(page, "Place one that rolls back")
    comes(line(scene, "rolled back"))
    expect(page.locator("#notice")).to_contain_text("the transaction was rolled back")
    # A later order is through, so whatever the first one had sent would have run.
    comes(line(ordered(page, "Place an order"), "succeeded", "update_search_index"))
    expect(line(scene, r"attempt \d")).to_have_count(0)


def test_broken_gateway_leaves_a_dead_letter_which_succeeds_when_replayed(page: Page) -> None:
    press(page, "Break the mail gateway")
    expect(page.locator("#process-gateway")).to_contain_text("broken")
    scene = ordered(page, "Place an order")
    comes(line(scene, "dead letter", "send_receipt"))
    comes(line(scene, "retrying", "SMTPServerDisconnected"), times=2)
    expect(scene.locator("h3")).to_contain_text("dead letter")
    press(page, "Mend the mail gateway")
    number = scene.locator("h3").inner_text().split()[1].rstrip(":")
    press(page, f"Replay send_receipt of order {number}")
    comes(line(scene, "replayed"))
    comes(line(scene, "succeeded", "send_receipt"))
    expect(scene.locator("h3")).to_contain_text("done")


def test_run_of_a_worker_that_is_killed_is_finished_by_another_process(page: Page) -> None:
    worker = shown_pid(page, "worker")
    scene = ordered(page, "Kill the worker")
    comes(line(scene, "killed", f"worker {worker}"))
    first = pid(line(scene, "attempt 1", "send_receipt"))
    second = pid(comes(line(scene, "succeeded", "send_receipt")))
    assert first != second
    comes(line(scene, "attempt 2", "send_receipt"))
    assert shown_pid(page, "worker") != worker


def test_order_that_is_placed_while_the_broker_is_paused_is_delivered_afterwards(
    page: Page,
) -> None:
    press(page, "Pause the broker")
    expect(page.locator("#process-broker")).to_contain_text("paused")
    scene = ordered(page, "Place an order")
    comes(line(scene, "commit"))
    comes(line(scene, "request", "302"))
    expect(line(scene, r"attempt \d")).to_have_count(0)
    press(page, "Resume the broker")
    comes(line(scene, "succeeded", "send_receipt"))
    comes(line(scene, "succeeded", "update_search_index"))


def test_receipt_of_a_web_process_that_is_killed_is_delivered_by_the_relay(page: Page) -> None:
    web = shown_pid(page, "site")
    scene = ordered(page, "Kill the web process")
    assert pid(comes(line(scene, "killed", "right after the COMMIT"))) == web
    comes(line(scene, "relay", "send_receipt"))
    comes(line(scene, "succeeded", "send_receipt"))
    # Commit delivery loses what was not published.
    expect(line(scene, r"attempt \d", "update_search_index")).to_have_count(0)
    expect(page.locator("#process-site")).not_to_contain_text(str(web))
    expect(page.locator("#notice")).not_to_contain_text("does not answer")


def test_focus_stays_where_it_is_while_the_page_changes(page: Page) -> None:
    button = page.get_by_role("button", name="Place an order")
    button.focus()
    page.keyboard.press("Enter")
    comes(line(page.locator("article.scene").first, "succeeded", "send_receipt"))
    expect(button).to_be_focused()


def test_buttons_keep_their_colours_while_the_page_asks_for_news(page: Page) -> None:
    page.route("**/board/*", lambda route: None)  # no answer
    page.wait_for_selector("main.htmx-request")
    expect(page.get_by_role("button", name="Place an order")).to_have_css("opacity", "1")
    page.unroute_all()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_page_has_no_barriers(chromium: Browser, address: str, scheme: str, width: int) -> None:
    context = chromium.new_context(
        color_scheme="dark" if scheme == "dark" else "light",
        viewport={"width": width, "height": 844},
        reduced_motion="reduce",
    )
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    page.locator("summary").click()
    assert_accessible(page)
    assert page.evaluate(WIDER, width) == []
    assert [url for url in asked if not url.startswith((address, "data:"))] == []
    context.close()


@pytest.mark.parametrize("path", ["orders/", "gateway/", "broker/", f"replay/{UUID(int=0)}/"])
def test_button_of_another_site_is_refused(address: str, path: str) -> None:
    assert httpx.post(f"{address}/{path}", trust_env=False).status_code == 403
    assert httpx.get(f"{address}/{path}", trust_env=False).status_code == 405


def test_site_listens_on_this_machine_only(demo: Demo, address: str) -> None:
    port = f"{int(address.rpartition(':')[2]):04X}"
    table = Path("/proc/net/tcp").read_text().splitlines()[1:]
    listening = [row.split()[1] for row in table if row.split()[3] == "0A"]
    assert [place for place in listening if place.endswith(f":{port}")] == [f"0100007F:{port}"]
