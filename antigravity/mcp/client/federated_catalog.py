"""The catalog of another server, whose tools can have pages."""

from __future__ import annotations

from collections.abc import Callable

from zope.interface import implementer

from antigravity.interfaces.mcp import IMcpRemoteCatalog
from antigravity.mcp.catalog import Catalog
from antigravity.mcp.client.relayed_objects import RelayedResource
from antigravity.mcp.client.request_sender import RequestSender
from antigravity.mcp.protocol.ui import is_page_of


@implementer(IMcpRemoteCatalog)
class FederatedCatalog(Catalog):
    """The catalog of the server that ``sender`` reaches.

    ``declare_pages`` is called when the first client shows pages, ``refresh`` when any client
    reads a list.
    """

    def __init__(
        self,
        sender: RequestSender,
        declare_pages: Callable[[], None],
        refresh: Callable[[], None],
    ) -> None:
        super().__init__(sender.name)
        self._sender = sender
        self._declare_pages: Callable[[], None] | None = declare_pages
        self._refresh = refresh

    def find_resource(self, uri: str) -> RelayedResource | None:
        """Return a page, which servers need not list."""
        if not is_page_of(self._sender.name, uri):
            return None
        return RelayedResource(self._sender, uri, uri, "", "", "", {})

    def client_lists(self, *, shows_pages: bool) -> None:
        """Read expired lists again; declare to the server, once, that a client shows pages."""
        declare = self._declare_pages
        if declare is not None and shows_pages:
            self._declare_pages = None
            declare()
        else:
            self._refresh()
