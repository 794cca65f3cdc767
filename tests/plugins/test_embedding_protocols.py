"""Embedding protocols of plugins, registered with ``register_protocols``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace
from zope.interface import implementer

from antigravity.hookspecs import hookimpl
from antigravity.interfaces.embeddings import IEmbeddingServer
from antigravity.interfaces.protocols import IServerProtocol
from antigravity.plugins import PluginHost
from antigravity.protocols.anthropic.protocol import ANTHROPIC_SERVER
from antigravity.protocols.openai_embeddings.protocol import (
    OPENAI_EMBEDDINGS_CLIENT,
    OPENAI_EMBEDDINGS_SERVER,
)


class Protocols:
    """A plugin with some protocols."""

    def __init__(self, *protocols: object) -> None:
        self._protocols = protocols

    @hookimpl
    def register_protocols(self, register: Callable[[object], None]) -> None:
        for protocol in self._protocols:
            register(protocol)


def load(*protocols: object) -> PluginHost:
    host = PluginHost()
    host.load(extra=[("mine", Protocols(*protocols))], installed=False)
    return host


def test_embedding_protocol_of_plugin_is_registered_and_served() -> None:
    server = replace(OPENAI_EMBEDDINGS_SERVER, name="own_embeddings")
    client = replace(OPENAI_EMBEDDINGS_CLIENT, name="own_embeddings")
    host = load(server, client)
    assert host.problems == []
    assert host.registry.embedding_servers["own_embeddings"] is server
    assert host.registry.embedding_clients["own_embeddings"] is client
    assert server in host.registry.all_servers
    (plugin,) = (plugin for plugin in host.plugins() if plugin.name == "mine")
    assert plugin.registered["protocols"] == ("own_embeddings",)


def test_one_object_may_provide_generation_and_embeddings() -> None:
    @implementer(IServerProtocol, IEmbeddingServer)
    class Both:
        name = "both"

        def __getattr__(self, name: str) -> Any:
            protocols = (ANTHROPIC_SERVER, OPENAI_EMBEDDINGS_SERVER)
            return next(getattr(each, name) for each in protocols if hasattr(each, name))

    both = Both()
    host = load(both)
    assert host.problems == []
    assert host.registry.servers["both"] is host.registry.embedding_servers["both"] is both
    assert [door for door in host.registry.all_servers if door is both] == [both]


def test_object_without_a_method_is_refused_with_its_name() -> None:
    @implementer(IEmbeddingServer)
    class Half:
        name = "half"
        routes = ()

    host = load(Half())
    ((plugin, reason),) = [(problem.plugin, problem.reason) for problem in host.problems]
    assert plugin == "mine"
    assert "IEmbeddingServer" in reason
    assert "half" not in host.registry.embedding_servers


def test_second_protocol_of_the_same_name_is_refused() -> None:
    host = load(OPENAI_EMBEDDINGS_CLIENT)
    ((_, reason),) = [(problem.plugin, problem.reason) for problem in host.problems]
    assert "'openai_embeddings' is taken" in reason


def test_embedding_kinds_of_upstream_are_listed() -> None:
    assert load().registry.embedding_kinds == ("openai", "gemini_api")
