"""The catalog of another server, whose tools can have pages."""

from __future__ import annotations

from collections.abc import Callable

from zope.interface import implementer

from antigravity.interfaces.mcp import IMcpPageCatalog
from antigravity.mcp.catalog import Catalog
from antigravity.mcp.client.relayed_objects import RelayedResource
from antigravity.mcp.client.request_sender import RequestSender
from antigravity.mcp.protocol.ui import is_page_of


@implementer(IMcpPageCatalog)
class FederatedCatalog(Catalog):
    """The catalog of the server that ``sender`` reaches.

    ``declare_pages`` is called when the first client shows pages.
    """

    def __init__(self, sender: RequestSender, declare_pages: Callable[[], None]) -> None:
        super().__init__(sender.name)
        self._sender = sender
        self._declare_pages: Callable[[], None] | None = declare_pages

    def find_resource(self, uri: str) -> RelayedResource | None:
        """Return a page, which servers need not list."""
        if not is_page_of(self._sender.name, uri):
            return None
        return RelayedResource(self._sender, uri, uri, "", "", "", {})

    def client_shows_pages(self) -> None:
        """Declare to the server, once, that a client shows pages."""
        declare, self._declare_pages = self._declare_pages, None
        if declare is not None:
            declare()
