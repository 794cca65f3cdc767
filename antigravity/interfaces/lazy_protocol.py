"""Protocols that are imported at their first use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from zope.interface import Interface, directlyProvides

from antigravity.ir.call import Route


class LazyProtocol:
    """A protocol whose package is imported when more than its name and routes is first used.

    Most gateways use few of the protocols.  After the import, all fields are attributes, so that
    reading one costs no more than that of the protocol itself.

    :ivar name: the protocol's name.
    """

    def __init__(self, interface: type[Interface], name: str, load: Callable[[], Any]) -> None:
        self.name = name
        self._load = load
        directlyProvides(self, interface)

    def __getattr__(self, field: str) -> Any:
        """Import the protocol, and return one of its fields."""
        if not field.startswith("__"):
            protocol = self._load()
            for name in dir(protocol):
                if not name.startswith("_"):
                    vars(self).setdefault(name, getattr(protocol, name))
            if field in vars(self):
                return vars(self)[field]
        raise AttributeError(f"the protocol {self.name} has no {field}")

    def __repr__(self) -> str:
        """Return the name without importing the protocol."""
        return f"<LazyProtocol {self.name}>"


class LazyServer(LazyProtocol):
    """A lazy protocol with routes.

    :ivar routes: the routes, which are needed before a request can use the protocol.
    """

    def __init__(
        self,
        interface: type[Interface],
        name: str,
        routes: tuple[Route, ...],
        load: Callable[[], Any],
    ) -> None:
        super().__init__(interface, name, load)
        self.routes = routes
