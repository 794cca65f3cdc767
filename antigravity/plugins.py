"""Finds plugins, asks them what they have, and checks it.

The built-in protocols and upstreams come through the same door.  A plugin that fails is
reported with its name and left out; it never stops the gateway.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from importlib.metadata import entry_points
from typing import Any, Final

import pluggy
from msgspec import Struct
from txaio import tx as txaio
from zope.interface import Interface
from zope.interface.exceptions import Invalid
from zope.interface.verify import verifyObject

from antigravity import hookspecs
from antigravity.config.known import Known
from antigravity.interfaces.embeddings import (
    IEmbeddingClient,
    IEmbeddingKind,
    IEmbeddingServer,
)
from antigravity.interfaces.interception import IBackgroundDetector, IWarmupFilter
from antigravity.interfaces.mcp import (
    IMcpCatalog,
    IMcpPrompt,
    IMcpResource,
    IMcpResourceTemplate,
    IMcpTool,
)
from antigravity.interfaces.protocols import IClientProtocol, IServerProtocol
from antigravity.interfaces.selection import ISelectionPolicy
from antigravity.interfaces.upstreams import IUpstreamKind
from antigravity.logs import make_logger
from antigravity.mcp.catalog import Catalog
from antigravity.mcp.checks import check_tool
from antigravity.mcp.protocol.uri_templates import check_template
from antigravity.plugin_faults import described, misspelt_hooks, unmarked_hooks

#: The built-in plugins, in the order in which they register.
DEFAULT_PLUGINS: Final = {
    "openai": "antigravity.builtin.openai",
    "anthropic": "antigravity.builtin.anthropic",
    "gemini": "antigravity.builtin.gemini",
    "codeassist": "antigravity.builtin.codeassist",
    "selection": "antigravity.builtin.selection",
    "claude-code": "antigravity.builtin.claude_code",
    "opencode": "antigravity.builtin.opencode",
}


class PluginProblem(Struct, frozen=True):
    """Why a plugin, or something it registered, was left out."""

    plugin: str
    reason: str


class PluginInfo(Struct, frozen=True):
    """A plugin that is in use: the hooks that it implements, and what it has registered."""

    name: str
    builtin: bool
    hooks: tuple[str, ...]
    protocols: tuple[str, ...] = ()
    upstream_kinds: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    warmup_filters: tuple[str, ...] = ()
    background_detectors: tuple[str, ...] = ()
    selection_policies: tuple[str, ...] = ()
    mcp_tools: tuple[str, ...] = ()
    mcp_prompts: tuple[str, ...] = ()
    mcp_resources: tuple[str, ...] = ()
    mcp_catalogs: tuple[str, ...] = ()


class Registry:
    """What plugins have registered, by name."""

    def __init__(self) -> None:
        self.servers: dict[str, Any] = {}
        self.clients: dict[str, Any] = {}
        self.embedding_servers: dict[str, Any] = {}
        self.embedding_clients: dict[str, Any] = {}
        self.upstream_kinds: dict[str, Any] = {}
        self.routes: list[tuple[str, str, Callable[[Any], Any]]] = []
        self.warmup_filters: dict[str, Any] = {}
        self.background_detectors: dict[str, Any] = {}
        self.selection_policies: dict[str, Any] = {}
        self.mcp = Catalog()
        self.mcp_catalogs: list[Any] = []

    def add_protocol(self, candidate: Any) -> str:
        """Take in a protocol, and return its name.

        :raises ValueError: if it provides no side of one, or its name is taken.
        """
        sides: tuple[tuple[type[Interface], dict[str, Any]], ...] = (
            (IServerProtocol, self.servers),
            (IClientProtocol, self.clients),
            (IEmbeddingServer, self.embedding_servers),
            (IEmbeddingClient, self.embedding_clients),
        )
        found = False
        for interface, known in sides:
            if interface.providedBy(candidate):
                _verify(interface, candidate)
                _add(known, candidate.name, candidate)  # type: ignore[attr-defined]
                found = True
        if not found:
            raise ValueError(
                f"{candidate!r} provides neither IServerProtocol nor IClientProtocol, and neither "
                "IEmbeddingServer nor IEmbeddingClient"
            )
        return str(candidate.name)

    @property
    def embedding_kinds(self) -> tuple[str, ...]:
        """The names of the kinds of upstream that make vectors."""
        kinds = self.upstream_kinds.items()
        return tuple(name for name, kind in kinds if IEmbeddingKind.providedBy(kind))

    @property
    def doors(self) -> list[Any]:
        """All that serve clients; a protocol that also serves vectors is one of them."""
        servers = list(self.servers.values())
        return [p for p in self.embedding_servers.values() if p not in servers] + servers

    def add_upstream_kind(self, candidate: Any) -> str:
        """Take in a kind of upstream, and return its name.

        :raises ValueError: if it is none, or its name is taken.
        """
        _verify(IUpstreamKind, candidate)
        _add(self.upstream_kinds, candidate.kind, candidate)
        return str(candidate.kind)

    def add_route(self, method: str, path: str, handler: Callable[[Any], Any]) -> str:
        """Take in an HTTP route, and return its method and path.

        :raises ValueError: if the path is none, or the route is taken.
        """
        if not path.startswith("/"):
            raise ValueError(f"the path {path!r} does not begin with a slash")
        if any((known[0], known[1]) == (method.upper(), path) for known in self.routes):
            raise ValueError(f"the route {method.upper()} {path} is taken")
        self.routes.append((method.upper(), path, handler))
        return f"{method.upper()} {path}"

    def add_warmup_filter(self, candidate: Any) -> str:
        """Take in a filter for warm-ups, and return its name.

        :raises ValueError: if it is none, or its name is taken.
        """
        _verify(IWarmupFilter, candidate)
        _add(self.warmup_filters, candidate.name, candidate)
        return str(candidate.name)

    def add_background_detector(self, candidate: Any) -> str:
        """Take in a detector of background tasks, and return its name.

        :raises ValueError: if it is none, or its name is taken.
        """
        _verify(IBackgroundDetector, candidate)
        _add(self.background_detectors, candidate.name, candidate)
        return str(candidate.name)

    def add_selection_policy(self, candidate: Any) -> str:
        """Take in a way to choose among accounts, and return its name.

        :raises ValueError: if it is none, or its name is taken.
        """
        _verify(ISelectionPolicy, candidate)
        _add(self.selection_policies, candidate.name, candidate)
        return str(candidate.name)

    @property
    def known(self) -> Known:
        """The names among all this that a configuration may use."""
        return Known(tuple(self.upstream_kinds), tuple(self.selection_policies))

    def add_mcp_tool(self, candidate: Any) -> str:
        """Take in a tool for MCP, and return its name.

        :raises ValueError: if it is none, or its name is taken.
        """
        _verify(IMcpTool, candidate)
        check_tool(candidate)
        return self.mcp.add_tool(candidate)

    def add_mcp_prompt(self, candidate: Any) -> str:
        """Take in a prompt for MCP, and return its name.

        :raises ValueError: if it is none, or its name is taken.
        """
        _verify(IMcpPrompt, candidate)
        return self.mcp.add_prompt(candidate)

    def add_mcp_resource(self, candidate: Any) -> str:
        """Take in a resource or a template of resources, and return its address.

        :raises ValueError: if it is neither, or the address is taken.
        """
        if IMcpResourceTemplate.providedBy(candidate):
            _verify(IMcpResourceTemplate, candidate)
            check_template(candidate.uri_template)
            return self.mcp.add_template(candidate)
        _verify(IMcpResource, candidate)
        return self.mcp.add_resource(candidate)

    def add_mcp_catalog(self, candidate: Any) -> str:
        """Take in a catalog for MCP, and return its namespace.

        :raises ValueError: if it is none.
        """
        _verify(IMcpCatalog, candidate)
        self.mcp_catalogs.append(candidate)
        return str(candidate.namespace)


def _verify(interface: type[Interface], candidate: object) -> None:
    try:
        verifyObject(interface, candidate)
    except Invalid as error:
        raise ValueError(" ".join(str(error).split())) from error


def _add(known: dict[str, Any], name: object, candidate: object) -> None:
    if not isinstance(name, str) or not name:
        raise ValueError(f"{name!r} is no name")
    if name in known:
        raise ValueError(f"the name {name!r} is taken")
    known[name] = candidate


def _same(plugin: object) -> object:
    return plugin


class PluginHost:
    """All plugins of one gateway.  Made by ``makeService``, never at import."""

    log = make_logger()

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        self._settings = settings or {}
        self._manager = pluggy.PluginManager(hookspecs.GROUP)
        self._manager.add_hookspecs(hookspecs)
        self._builtin: set[str] = set()
        self._registered: dict[tuple[str, str], list[str]] = {}
        self.problems: list[PluginProblem] = []
        self.registry = Registry()

    @property
    def blocked(self) -> frozenset[str]:
        """The names that the configuration switches off."""
        return frozenset(self._settings.get("blocked", ()))

    def load(self, *, extra: Iterable[tuple[str, object]] = (), installed: bool = True) -> None:
        """Load the built-in, the ``installed`` and the ``extra`` plugins, and ask them all."""
        for name, module in DEFAULT_PLUGINS.items():
            self._builtin.add(name)
            self._load(name, partial(importlib.import_module, module))
        if installed:
            for point in entry_points(group=hookspecs.GROUP):
                self._load(point.name, point.load)
        for name, plugin in extra:
            self._load(name, partial(_same, plugin))
        for hook, accept in (
            ("register_protocols", self.registry.add_protocol),
            ("register_upstreams", self.registry.add_upstream_kind),
            ("register_routes", self.registry.add_route),
            ("register_warmup_filters", self.registry.add_warmup_filter),
            ("register_background_detectors", self.registry.add_background_detector),
            ("register_selection_policies", self.registry.add_selection_policy),
            ("register_mcp_tools", self.registry.add_mcp_tool),
            ("register_mcp_prompts", self.registry.add_mcp_prompt),
            ("register_mcp_resources", self.registry.add_mcp_resource),
            ("register_mcp_catalogs", self.registry.add_mcp_catalog),
        ):
            for name, plugin in self._manager.list_name_plugin():
                if plugin is not None:
                    self._ask(name, plugin, hook, accept)

    def plugins(self) -> tuple[PluginInfo, ...]:
        """Return the plugins in use."""
        return tuple(
            PluginInfo(
                name,
                name in self._builtin,
                tuple(sorted(c.name for c in self._manager.get_hookcallers(plugin) or ())),
                self._registered_by(name, "register_protocols"),
                self._registered_by(name, "register_upstreams"),
                self._registered_by(name, "register_routes"),
                self._registered_by(name, "register_warmup_filters"),
                self._registered_by(name, "register_background_detectors"),
                self._registered_by(name, "register_selection_policies"),
                self._registered_by(name, "register_mcp_tools"),
                self._registered_by(name, "register_mcp_prompts"),
                self._registered_by(name, "register_mcp_resources"),
                self._registered_by(name, "register_mcp_catalogs"),
            )
            for name, plugin in self._manager.list_name_plugin()
            if plugin is not None
        )

    def notify(self, hook: str, **arguments: object) -> None:
        """Tell the observers; what they return may be a Deferred or a coroutine.

        Nobody waits for them, and their failures are logged, not felt.
        """
        for implementation in getattr(self._manager.hook, hook).get_hookimpls():
            wanted = {name: arguments[name] for name in implementation.argnames}
            future = txaio.as_future(implementation.function, **wanted)
            name = implementation.plugin_name
            txaio.add_callbacks(future, None, partial(self._observer_failed, name, hook))

    def _load(self, name: str, load: Callable[[], object]) -> None:
        if name in self.blocked:
            return
        try:
            plugin = load()
            if self._manager.has_plugin(name):
                raise ValueError("another plugin has the same name")
            misspelt = "; ".join(misspelt_hooks(plugin))
            if misspelt:
                raise ValueError(misspelt)
            self._manager.register(plugin, name)
            self._manager.check_pending()
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything
            if self._manager.has_plugin(name) and self._manager.get_plugin(name) is plugin:
                self._manager.unregister(name=name)
            self._report(name, f"could not be loaded: {described(error)}")
            return
        for fault in unmarked_hooks(plugin):
            self._report(name, fault)

    def _registered_by(self, plugin: str, hook: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self._registered.get((plugin, hook), ())))

    def _ask(self, name: str, plugin: object, hook: str, accept: Callable[..., str]) -> None:
        """Call one plugin's hook, taking in what it registers one by one."""
        registered = self._registered.setdefault((name, hook), [])

        def register(*candidate: Any) -> None:
            try:
                registered.append(accept(*candidate))
            except (ValueError, TypeError, AttributeError) as error:
                self._report(name, f"{hook}: {error}")

        others = [p for p in self._manager.get_plugins() if p is not plugin]
        caller = self._manager.subset_hook_caller(hook, others)
        settings = self._settings.get(name, {})
        try:
            caller(register=register, settings=settings)
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything
            self._report(name, f"{hook} failed: {described(error)}")

    def _report(self, plugin: str, reason: str) -> None:
        self.problems.append(PluginProblem(plugin, reason))
        self.log.error("plugin {plugin} {reason}", plugin=plugin, reason=reason)

    def _observer_failed(self, plugin: str, hook: str, failure: Any) -> None:
        self.log.error(
            "plugin {plugin}: {hook} failed: {error}",
            plugin=plugin,
            hook=hook,
            error=failure.value,
        )
