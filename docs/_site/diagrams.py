"""Diagrams: a fence ```` ```mermaid ```` is drawn in the browser, by a Mermaid that is part of the site."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

if TYPE_CHECKING:
    from sphinx.application import Sphinx


class diagram(nodes.General, nodes.Element):  # noqa: N801 - as docutils names its nodes
    """The text of a diagram."""


class Mermaid(SphinxDirective):
    """The fence."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Keep the text as it is."""
        return [diagram(text="\n".join(self.content))]


def visit(writer: Any, node: diagram) -> None:
    """Write the text, which `diagrams.js` replaces by the drawing."""
    writer.body.append(f'<pre class="diagram">{escape(node["text"])}</pre>\n')
    raise nodes.SkipNode


def load(app: Sphinx, page: str, template: str, context: Any, doctree: nodes.Node | None) -> None:
    """Let a page that has diagrams, and no other, load Mermaid."""
    del page, template, context
    if doctree is not None and any(doctree.findall(diagram)):
        app.add_js_file("mermaid.tiny.js", loading_method="defer")
        app.add_js_file("diagrams.js", loading_method="defer")


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect what is above with Sphinx."""
    app.add_node(diagram, html=(visit, None))
    app.add_directive("mermaid", Mermaid)
    app.connect("html-page-context", load)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
