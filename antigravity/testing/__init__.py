"""The kit for tests of plugins; see ``docs/plugins.rst``.

With ``pytest_plugins = ["antigravity.testing"]`` in a ``conftest.py`` there is a fixture
``antigravity_gateway``.  Nothing here needs pytest itself.
"""

from __future__ import annotations

from antigravity.testing.gateway import GatewayUnderTest, start_gateway
from antigravity.testing.plugins import LoadedPlugin, load_plugin
from antigravity.testing.responses import GatewayResponse
from antigravity.testing.threaded_gateway import ThreadedGateway, run_gateway

#: Where pytest finds the fixtures.
pytest_plugins = ("antigravity.testing.fixtures",)

__all__ = [
    "GatewayResponse",
    "GatewayUnderTest",
    "LoadedPlugin",
    "ThreadedGateway",
    "load_plugin",
    "run_gateway",
    "start_gateway",
]
