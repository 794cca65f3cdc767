"""A Sphinx extension: lists of a page's contents are left out of built pages.

The theme shows them beside the page, and puts an error in place of another one.  Where the
repository is browsed there is no such column, so the sources have the lists.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from docutils import nodes

if TYPE_CHECKING:
    from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("doctree-read", leave_out_contents)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def leave_out_contents(app: Sphinx, doctree: nodes.document) -> None:
    """Remove the lists of contents of a page."""
    for topic in list(doctree.findall(nodes.topic)):
        if "contents" in topic["classes"]:
            topic.parent.remove(topic)
