"""The order of the pages: `index.md` lists them, and nothing else does.

Each list of pages in `index.md` becomes a part of the navigation, under the title of its section. The same
lists are the site's `llms.txt` (https://llmstxt.org), which names each page's Markdown beside its HTML.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOT = Path(__file__).parents[2]
#: Pages that show a file of the repository which lies outside of docs/.
OUTSIDE = {
    "changelog": "CHANGELOG.md",
    "contributing": "CONTRIBUTING.md",
    "figures": "benchmarks/results.md",
}

SECTION = re.compile(r"^## (.+)\n((?:(?!## ).*\n?)*)", re.MULTILINE)
ENTRY = re.compile(r"^\* \[[^\]]+\]\(([\w-]+)\.(?:md|rst)\)", re.MULTILINE)
COMMENT = re.compile(r"^<!--.*?-->\n?", re.MULTILINE | re.DOTALL)


def for_the_site(page: str, text: str) -> str:
    """Return a page as the site has it, whose links stay within the site.

    Comments are left out: they hold blocks for tests.
    """
    if page in OUTSIDE:
        text = Path(ROOT, OUTSIDE[page]).read_text(encoding="utf-8").replace("](docs/", "](")
    for name, file in OUTSIDE.items():
        text = re.sub(rf"\]\((?:\.\./)?{re.escape(file)}\b", f"]({name}.md", text)
    return COMMENT.sub("", text)


def navigation(index: str) -> str:
    """Return a hidden table of contents for each section of the index that lists pages."""
    parts = []
    for title, text in SECTION.findall(index):
        pages = ENTRY.findall(text)
        if pages:
            parts += ["```{toctree}", ":hidden:", f":caption: {title}", "", *pages, "```", ""]
    return "\n".join(parts)


def read(app: Sphinx, page: str, source: list[str]) -> None:
    """Prepare the Markdown of a page when Sphinx reads it."""
    if app.env.doc2path(page).suffix != ".md":
        return
    source[0] = for_the_site(page, source[0])
    if page in OUTSIDE:
        app.env.note_dependency(Path(ROOT, OUTSIDE[page]))
    if page == app.config.root_doc:
        source[0] += f"\n\n{navigation(source[0])}"


def write_for_machines(app: Sphinx, error: Exception | None) -> None:
    """Write `llms.txt`, and the Markdown of each page beside its HTML."""
    if error is not None or app.builder.format != "html":
        return
    for page in app.env.found_docs:
        path = Path(app.env.doc2path(page))
        if path.suffix == ".md":
            text = for_the_site(page, path.read_text(encoding="utf-8"))
            Path(app.outdir, f"{page}.md").write_text(text, encoding="utf-8")
    index = Path(app.outdir, f"{app.config.root_doc}.md").read_text(encoding="utf-8")
    # What docstrings say is in the HTML alone.
    Path(app.outdir, "llms.txt").write_text(index.replace(".rst)", ".html)"), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect what is above with Sphinx."""
    app.connect("source-read", read)
    app.connect("build-finished", write_for_machines)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
