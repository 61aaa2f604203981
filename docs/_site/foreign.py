"""The built pages load nothing from elsewhere: readers' browsers tell nobody what they read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from sphinx.errors import ExtensionError

if TYPE_CHECKING:
    from sphinx.application import Sphinx

LOADED = re.compile(
    r"""<(?:script|img|iframe|source|link)\b[^>]*\b(?:src|href)=["'](?:https?:)?//[^>]*>"""
    r"""|(?:@import|url\()\s*["']?(?:https?:)?//[^;)]*"""
)


def look(app: Sphinx, error: Exception | None) -> None:
    """Look through what was built.

    Raises:
        ExtensionError: a page or a style sheet loads something from another host.
    """
    if error is not None or app.builder.format != "html":
        return
    for path in Path(app.outdir).rglob("*"):
        if path.suffix in {".css", ".html"} and (
            found := LOADED.search(path.read_text(encoding="utf-8"))
        ):
            raise ExtensionError(f"{path.relative_to(app.outdir)} loads {found[0]}")


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect what is above with Sphinx."""
    app.connect("build-finished", look)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
