"""The built-in protocols, which are imported at their first use.

Their names and routes are here as well as in their packages; a test compares them.
"""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import Any

from antigravity.interfaces.embeddings import IEmbeddingClient, IEmbeddingServer
from antigravity.interfaces.lazy_protocol import LazyProtocol, LazyServer
from antigravity.interfaces.protocols import IClientProtocol, IServerProtocol
from antigravity.ir.call import Route


def post(*paths: str) -> tuple[Route, ...]:
    """Return routes to generate with."""
    return tuple(Route("POST", path, "generate") for path in paths)


def server(name: str, routes: tuple[Route, ...], where: str) -> LazyServer:
    """Return a server protocol.

    :param where: module below ``antigravity.protocols`` and name of the protocol in it, as in
        ``anthropic.protocol.ANTHROPIC_SERVER``.
    """
    return LazyServer(IServerProtocol, name, routes, partial(_import, where))


def embedding_server(name: str, routes: tuple[Route, ...], where: str) -> LazyServer:
    """Return a server protocol for embeddings."""
    return LazyServer(IEmbeddingServer, name, routes, partial(_import, where))


def client(name: str, where: str) -> LazyProtocol:
    """Return a client protocol."""
    return LazyProtocol(IClientProtocol, name, partial(_import, where))


def embedding_client(name: str, where: str) -> LazyProtocol:
    """Return a client protocol for embeddings."""
    return LazyProtocol(IEmbeddingClient, name, partial(_import, where))


def _import(where: str) -> Any:
    module, _, name = where.rpartition(".")
    return getattr(import_module(f"antigravity.protocols.{module}"), name)
