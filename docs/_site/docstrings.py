"""Names in docstrings: one in single backticks is a link to where the reference has that name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sphinx.util.nodes import make_refnode

from deferred_signals import events

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.addnodes import pending_xref
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment


def resolve(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.Element
) -> nodes.Element | None:
    """Find what Sphinx did not: a name without its module, and lifecycle signals, which have a page."""
    if node.get("refdomain") != "py":
        return None
    name = node["reftarget"].rpartition(".")[2]
    if name in events.__all__:
        return make_refnode(app.builder, node["refdoc"], "events", "", content)
    objects = env.domains.python_domain.objects
    found = [known for path, known in objects.items() if path.endswith(f".{node['reftarget']}")]
    if len(found) != 1:
        return None
    return make_refnode(app.builder, node["refdoc"], found[0].docname, found[0].node_id, content)


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect what is above with Sphinx."""
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
