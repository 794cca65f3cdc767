"""Pages of tools, extension ``io.modelcontextprotocol/ui`` (MCP Apps).

A tool names its page, a resource with a ``ui://`` address, in ``_meta``.  Addresses of other
servers get the server's name as their first part, so that no server's page can stand in for
another's: ``ui://clock/page`` of the server ``far`` is ``ui://far/clock/page``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from antigravity.interfaces.mcp_values import Json
from antigravity.mcp.protocol.extensions import UI

#: What the gateway declares to other servers, when a client of its own has declared it.
DECLARATION: Final = {UI: {"mimeTypes": ["text/html;profile=mcp-app"]}}
_SCHEME: Final = "ui://"
#: Keys in ``_meta`` that hold an address: deprecated, and of the Apps SDK.
_FLAT: Final = ("ui/resourceUri", "openai/outputTemplate")


def prefixed(server: str, uri: str) -> str:
    """Return the address at which clients read ``uri`` of ``server``."""
    return f"{_SCHEME}{server}/{uri[len(_SCHEME) :]}" if uri.startswith(_SCHEME) else uri


def original(server: str, uri: str) -> str:
    """Return the server's own address of ``uri``, an address that clients see."""
    before = f"{_SCHEME}{server}/"
    return _SCHEME + uri[len(before) :] if uri.startswith(before) else uri


def is_page_of(server: str, uri: str) -> bool:
    """Return whether ``uri`` is an address of a page of ``server``."""
    return uri.startswith(f"{_SCHEME}{server}/")


def prefix_meta(server: str, meta: Json) -> Json:
    """Return ``_meta`` with the addresses that clients see."""
    changed: dict[str, Any] = {
        key: prefixed(server, meta[key]) for key in _FLAT if isinstance(meta.get(key), str)
    }
    ui = meta.get("ui")
    if isinstance(ui, Mapping) and isinstance(ui.get("resourceUri"), str):
        changed["ui"] = {**ui, "resourceUri": prefixed(server, ui["resourceUri"])}
    return {**meta, **changed} if changed else meta


def prefix_blocks(server: str, blocks: Sequence[Json]) -> Sequence[Json]:
    """Return content in which links and embedded resources have the addresses clients see."""
    if not any(block.get("type") in ("resource", "resource_link") for block in blocks):
        return blocks
    return tuple(_prefix_block(server, block) for block in blocks)


def prefix_contents(server: str, contents: Json) -> Json:
    """Return contents of a resource with the address that clients see."""
    uri = contents.get("uri")
    return {**contents, "uri": prefixed(server, uri)} if isinstance(uri, str) else contents


def _prefix_block(server: str, block: Json) -> Json:
    inner = block.get("resource")
    if block.get("type") == "resource_link":
        return prefix_contents(server, block)
    if block.get("type") == "resource" and isinstance(inner, Mapping):
        return {**block, "resource": prefix_contents(server, inner)}
    return block


def has_page(meta: object) -> bool:
    """Return whether ``_meta`` of a tool names a page or says who may call the tool."""
    if not isinstance(meta, Mapping):
        return False
    return isinstance(meta.get("ui"), Mapping) or any(key in meta for key in _FLAT)


def is_visible_to(who: str, meta: object) -> bool:
    """Return whether the ``model`` or the ``app`` may call a tool; by default both may."""
    ui = meta.get("ui") if isinstance(meta, Mapping) else None
    visibility = ui.get("visibility") if isinstance(ui, Mapping) else None
    return not isinstance(visibility, list) or who in visibility
