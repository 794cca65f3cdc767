"""A Sphinx extension: links between the pages' sources become links between the built pages.

The pages link to each other as files (``clients.rst#codex``), so that they can be followed where
the repository is browsed, too.  Links to files of the repository that are no pages become text.
"""

from __future__ import annotations

import posixpath
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import urlsplit

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

LOG: Final = logging.getLogger(__name__)
#: Pages that are files outside of this folder, which a page here includes.
INCLUDED: Final = {
    "README.rst": "index",
    "CONTRIBUTING.rst": "contributing",
    "CHANGELOG.rst": "changelog",
    "bench/README.rst": "benchmarks",
}


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("doctree-resolved", resolve)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def resolve(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Replace the links of a page."""
    for node in list(doctree.findall(nodes.reference)):
        link = urlsplit(node.get("refuri", ""))
        if not link.path or link.scheme or link.netloc or node.get("internal"):
            continue
        target = find_page(app, page, link.path)
        if target is None:
            node.replace_self(nodes.inline("", "", *node.children))
            continue
        if link.fragment and link.fragment not in app.env.get_doctree(target).ids:
            LOG.warning("no such section: %s#%s", target, link.fragment, location=node)
        uri = app.builder.get_relative_uri(page, target)
        node["refuri"] = f"{uri}#{link.fragment}" if link.fragment else uri
        node["internal"] = True


def find_page(app: Sphinx, page: str, path: str) -> str | None:
    """Return the page that a link of ``page`` leads to, if it leads to one.

    :param path: relative to the file that holds the link.
    """
    included = next((file for file, name in INCLUDED.items() if name == page), None)
    folder = PurePosixPath(included or f"docs/{page}").parent
    file = posixpath.normpath(str(folder / path))
    if file in INCLUDED:
        return INCLUDED[file]
    name = file.removeprefix("docs/").removesuffix(".rst")
    return name if file.startswith("docs/") and name in app.env.found_docs else None
