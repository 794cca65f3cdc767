"""Built-in protocols are imported at their first use, and are otherwise like all others."""

from __future__ import annotations

from typing import Any

import pytest
from zope.interface.verify import verifyObject

from antigravity.interfaces.lazy_protocol import LazyProtocol, LazyServer
from antigravity.interfaces.protocols import IClientProtocol, IServerProtocol
from antigravity.plugin_registry import Store
from antigravity.plugins import PluginHost


def builtin() -> list[tuple[Store, Any]]:
    """Return all built-in protocols, each with its store."""
    plugins = PluginHost()
    plugins.load(installed=False)
    registry = plugins.registry
    stores = (
        registry.servers,
        registry.clients,
        registry.embedding_servers,
        registry.embedding_clients,
    )
    return [(store, protocol) for store in stores for protocol in store.values()]


@pytest.mark.parametrize(("store", "protocol"), builtin(), ids=str)
def test_lazy_protocol_is_like_the_real_one(store: Store, protocol: Any) -> None:
    real = protocol._load()
    assert store.interface.providedBy(protocol)
    verifyObject(store.interface, real)
    assert verifyObject(store.interface, protocol)
    assert protocol.name == real.name
    if isinstance(protocol, LazyServer):
        assert protocol.routes == real.routes
    assert protocol.traits == real.traits


class Real:
    """A protocol that counts how often it is imported."""

    imports = 0

    def __init__(self) -> None:
        Real.imports += 1
        self.name = "real"
        self.traits = ("any",)

    def decode(self) -> str:
        return "decoded"


@pytest.fixture
def lazy() -> LazyProtocol:
    Real.imports = 0
    return LazyProtocol(IClientProtocol, "real", Real)


def test_name_and_interface_are_known_without_an_import(lazy: LazyProtocol) -> None:
    assert lazy.name == "real"
    assert repr(lazy) == "<LazyProtocol real>"
    assert IClientProtocol.providedBy(lazy)
    assert not IServerProtocol.providedBy(lazy)
    assert IClientProtocol(lazy) is lazy
    assert IServerProtocol(lazy, None) is None
    assert not hasattr(lazy, "__json__")
    assert Real.imports == 0


def test_first_use_imports_once_and_makes_all_fields_attributes(lazy: LazyProtocol) -> None:
    assert lazy.decode() == "decoded"
    assert (lazy.traits, lazy.decode()) == (("any",), "decoded")
    assert {"traits", "decode", "name"} <= vars(lazy).keys()
    assert Real.imports == 1


def test_missing_field_is_an_attribute_error(lazy: LazyProtocol) -> None:
    with pytest.raises(AttributeError, match="the protocol real has no colour"):
        _ = lazy.colour
