"""Take the pictures of the demo that README and site show, and write them to `docs/images/`.

`make pictures` runs it. It serves the demo, breaks a few things, and visits it with Debian's chromium.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "docs" / "images"
#: Seconds in which the demo starts.
PATIENCE = 60
#: Bytes of a picture: more would make the README slow.
MOST = 150_000
COLOURS = 128


@dataclass(frozen=True)
class Picture:
    """One picture: its file, and what it shows."""

    name: str
    path: str
    width: int
    height: int


#: Where the outbox is in the admin.
ADMIN = "/admin/deferred_signals_outbox"

PICTURES = [
    Picture("demo.png", "/", 1280, 800),
    Picture("admin.png", f"{ADMIN}/outboxmessage/", 1280, 640),
    Picture("map.png", f"{ADMIN}/receiver/?q=demo_site.shop", 1280, 900),
]


def main() -> None:
    """Take all pictures."""
    IMAGES.mkdir(exist_ok=True)
    with demo() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        context = browser.new_context(reduced_motion="reduce")
        page = context.new_page()
        page.goto(address)
        play(page)
        for picture in PICTURES:
            if picture.path.startswith(ADMIN):
                log_in(page, address)
            take(page, address, picture)
        browser.close()


def play(page: Page) -> None:
    """Have something to show: a dead letter, and a receipt that the relay found."""
    press(page, "Break the mail gateway")
    press(page, "Place an order")
    page.locator(".letter").wait_for()
    press(page, "Mend the mail gateway")
    press(page, "Kill the web process")
    scene = page.locator("article.scene", has_text="Kettle")
    scene.get_by_text("done").wait_for()


def press(page: Page, name: str) -> None:
    """Press a button."""
    page.get_by_role("button", name=name, exact=True).click()


def log_in(page: Page, address: str) -> None:
    """Log in as the demo's customer, who may use the admin."""
    page.goto(f"{address}/admin/")
    if page.locator("#id_username").count():
        page.locator("#id_username").fill("ada")
        page.locator("#id_password").fill("tea-at-five")
        page.locator("input[type=submit]").click()


def take(page: Page, address: str, picture: Picture) -> None:
    """Take one picture."""
    page.set_viewport_size({"width": picture.width, "height": picture.height})
    page.goto(address + picture.path)
    file = IMAGES / picture.name
    page.screenshot(path=file)
    # The page has few colours, and a palette makes a third of it.
    with Image.open(file) as image:
        image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)
    size = file.stat().st_size
    print(f"{file.relative_to(ROOT)}: {size / 1000:.0f} kB")
    if size > MOST:
        sys.exit(f"{picture.name} has more than {MOST / 1000:.0f} kB.")


@contextmanager
def demo() -> Iterator[str]:
    """Serve the demo from an empty folder; give its address."""
    with tempfile.TemporaryDirectory() as folder, Path(folder, "output").open("w+") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "demo_site.run", "--serve"],
            cwd=ROOT,
            env={**os.environ, "DEMO_VAR": folder},
            stdout=output,
        )
        try:
            yield address_of(process, Path(folder, "output"))
        finally:
            process.terminate()
            process.wait()


def address_of(process: subprocess.Popen[bytes], output: Path) -> str:
    """Wait until the demo says where it is."""
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        if found := re.search(r"Open (http://[\d.:]+)", output.read_text()):
            return found[1]
        time.sleep(0.1)
    sys.exit(f"The demo does not start: {output.read_text()}")


if __name__ == "__main__":
    main()
