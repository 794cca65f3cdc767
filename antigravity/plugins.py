"""Load plugins, call their hooks, and check what they register.

The built-in protocols and upstreams are plugins too.  A plugin that fails is reported by its name
and left out; it never stops the gateway.
"""

from __future__ import annotations

import importlib
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final

import pluggy
from msgspec import Struct
from txaio import tx as txaio
from zope.interface import Interface
from zope.interface.exceptions import Invalid
from zope.interface.verify import verifyObject

from antigravity import hookspecs
from antigravity.config.known_names import KnownNames
from antigravity.interfaces.embeddings import (
    IEmbeddingClient,
    IEmbeddingKind,
    IEmbeddingServer,
)
from antigravity.interfaces.interception import IBackgroundDetector, IWarmupFilter
from antigravity.interfaces.lazy_protocol import LazyProtocol
from antigravity.interfaces.mcp import (
    IMcpCatalog,
    IMcpPrompt,
    IMcpResource,
    IMcpResourceTemplate,
    IMcpTaskTool,
    IMcpTool,
)
from antigravity.interfaces.protocols import IClientProtocol, IServerProtocol
from antigravity.interfaces.selection import ISelectionPolicy
from antigravity.interfaces.upstreams import IUpstreamKind
from antigravity.logs import make_logger
from antigravity.mcp.catalog import Catalog
from antigravity.mcp.checks import check_tool
from antigravity.mcp.protocol.uri_templates import check_template

#: The built-in plugins, in the order in which they register.
DEFAULT_PLUGINS: Final = {
    "openai": "antigravity.builtin.openai",
    "anthropic": "antigravity.builtin.anthropic",
    "gemini": "antigravity.builtin.gemini",
    "codeassist": "antigravity.builtin.codeassist",
    "selection": "antigravity.builtin.selection",
    "claude-code": "antigravity.builtin.claude_code",
    "opencode": "antigravity.builtin.opencode",
    "gateway-tools": "antigravity.builtin.gateway_tools",
}
#: The names of all hooks.
HOOKS: Final = tuple(
    name for name, value in vars(hookspecs).items() if hasattr(value, f"{hookspecs.GROUP}_spec")
)
_PACKAGE: Final = Path(__file__).parent
_SITE_FOLDERS: Final = frozenset(("site-packages", "dist-packages"))


class PluginProblem(Struct, frozen=True):
    """A plugin, or an object that it registered, that was left out, and the reason."""

    plugin: str
    reason: str


class PluginInfo(Struct, frozen=True):
    """A loaded plugin.

    ``hooks`` are those that it implements.  ``registered`` has the names of what it registered, by
    hook without ``register_``: ``info.registered["upstreams"]``.
    """

    name: str
    builtin: bool
    hooks: tuple[str, ...]
    registered: Mapping[str, tuple[str, ...]]


class Store(dict[str, Any]):
    """The registered objects of one interface, by name.

    ``key`` is the attribute that has the name.
    """

    def __init__(self, interface: type[Interface], key: str = "name") -> None:
        super().__init__()
        self.interface = interface
        self._key = key

    def add(self, candidate: Any) -> str:
        """Store an object and return its name.

        :raises ValueError: if it does not provide the interface, or its name is taken.
        """
        _verify(self.interface, candidate)
        name = getattr(candidate, self._key)
        if not isinstance(name, str) or not name:
            raise ValueError(f"{name!r} is not a valid name")
        if name in self:
            raise ValueError(f"the name {name!r} is taken")
        self[name] = candidate
        return name


class Registry:
    """Everything that plugins have registered.

    :ivar hooks: for each hook that registers something, the function that checks and stores one
        object and returns its name.
    """

    def __init__(self) -> None:
        self.servers = Store(IServerProtocol)
        self.clients = Store(IClientProtocol)
        self.embedding_servers = Store(IEmbeddingServer)
        self.embedding_clients = Store(IEmbeddingClient)
        self.upstream_kinds = Store(IUpstreamKind, "kind")
        self.routes: list[tuple[str, str, Callable[[Any], Any]]] = []
        self.warmup_filters = Store(IWarmupFilter)
        self.background_detectors = Store(IBackgroundDetector)
        self.selection_policies = Store(ISelectionPolicy)
        self.mcp = Catalog()
        self.mcp_catalogs: list[Any] = []
        self.hooks: Mapping[str, Callable[..., str]] = {
            "register_protocols": self._add_protocol,
            "register_upstreams": self.upstream_kinds.add,
            "register_routes": self._add_route,
            "register_warmup_filters": self.warmup_filters.add,
            "register_background_detectors": self.background_detectors.add,
            "register_selection_policies": self.selection_policies.add,
            "register_mcp_tools": self._add_mcp_tool,
            "register_mcp_prompts": self._add_mcp_prompt,
            "register_mcp_resources": self._add_mcp_resource,
            "register_mcp_catalogs": self._add_mcp_catalog,
        }

    @property
    def embedding_kinds(self) -> tuple[str, ...]:
        """The names of the kinds of upstream that serve embeddings."""
        kinds = self.upstream_kinds.items()
        return tuple(name for name, kind in kinds if IEmbeddingKind.providedBy(kind))

    @property
    def all_servers(self) -> list[Any]:
        """The server protocols for embeddings and for generation, each once."""
        servers = list(self.servers.values())
        return [p for p in self.embedding_servers.values() if p not in servers] + servers

    @property
    def known_names(self) -> KnownNames:
        """The registered names that a configuration may use."""
        return KnownNames(tuple(self.upstream_kinds), tuple(self.selection_policies))

    def _add_protocol(self, candidate: Any) -> str:
        stores = (self.servers, self.clients, self.embedding_servers, self.embedding_clients)
        provided = [store for store in stores if store.interface.providedBy(candidate)]
        if not provided:
            raise ValueError(
                f"{candidate!r} provides none of IServerProtocol, IClientProtocol, "
                "IEmbeddingServer and IEmbeddingClient"
            )
        names = [store.add(candidate) for store in provided]
        return names[0]

    def _add_route(self, method: str, path: str, handler: Callable[[Any], Any]) -> str:
        if not path.startswith("/"):
            raise ValueError(f"the path {path!r} does not begin with a slash")
        route = (method.upper(), path)
        if any(known[:2] == route for known in self.routes):
            raise ValueError(f"the route {route[0]} {path} is taken")
        self.routes.append((*route, handler))
        return f"{route[0]} {path}"

    def _add_mcp_tool(self, candidate: Any) -> str:
        _verify(IMcpTaskTool if IMcpTaskTool.providedBy(candidate) else IMcpTool, candidate)
        check_tool(candidate)
        return self.mcp.add_tool(candidate)

    def _add_mcp_prompt(self, candidate: Any) -> str:
        _verify(IMcpPrompt, candidate)
        return self.mcp.add_prompt(candidate)

    def _add_mcp_resource(self, candidate: Any) -> str:
        if IMcpResourceTemplate.providedBy(candidate):
            _verify(IMcpResourceTemplate, candidate)
            check_template(candidate.uri_template)
            return self.mcp.add_template(candidate)
        _verify(IMcpResource, candidate)
        return self.mcp.add_resource(candidate)

    def _add_mcp_catalog(self, candidate: Any) -> str:
        _verify(IMcpCatalog, candidate)
        self.mcp_catalogs.append(candidate)
        return str(candidate.namespace)


def _verify(interface: type[Interface], candidate: object) -> None:
    if isinstance(candidate, LazyProtocol):
        return  # a built-in one; to verify it would import it
    try:
        verifyObject(interface, candidate)
    except Invalid as error:
        raise ValueError(" ".join(str(error).split())) from error


class PluginHost:
    """The plugins of one configuration.

    ``settings`` is the table ``[plugins]``: one table for each plugin, and ``blocked``.
    """

    log = make_logger()

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        self._settings = settings or {}
        self._manager = pluggy.PluginManager(hookspecs.GROUP)
        self._manager.add_hookspecs(hookspecs)
        self._builtin: set[str] = set()
        #: The names that were registered, by plugin and hook.
        self._registered: dict[tuple[str, str], dict[str, None]] = {}
        self.problems: list[PluginProblem] = []
        self.registry = Registry()

    @property
    def blocked(self) -> frozenset[str]:
        """The names of the plugins that the configuration switches off."""
        return frozenset(self._settings.get("blocked", ()))

    def load(self, *, extra: Iterable[tuple[str, object]] = (), installed: bool = True) -> None:
        """Load the built-in, the ``installed`` and the ``extra`` plugins, and call their hooks."""
        for name, module in DEFAULT_PLUGINS.items():
            self._builtin.add(name)
            self._load(name, partial(importlib.import_module, module))
        if installed:
            for point in entry_points(group=hookspecs.GROUP):
                self._load(point.name, point.load)
        for name, plugin in extra:
            self._load(name, partial(_identity, plugin))
        for hook in self.registry.hooks:
            for name, plugin in self._loaded():
                self._call(name, plugin, hook)

    def plugins(self) -> tuple[PluginInfo, ...]:
        """Return the loaded plugins."""
        return tuple(
            PluginInfo(
                name,
                name in self._builtin,
                tuple(sorted(c.name for c in self._manager.get_hookcallers(plugin) or ())),
                {
                    hook.removeprefix("register_"): tuple(self._registered.get((name, hook), ()))
                    for hook in self.registry.hooks
                },
            )
            for name, plugin in self._loaded()
        )

    def notify(self, hook: str, **arguments: object) -> None:
        """Call the observers of ``hook``, which can return a Deferred or a coroutine.

        Their results are not awaited; failures are logged and ignored.
        """
        for implementation in getattr(self._manager.hook, hook).get_hookimpls():
            given = {name: arguments[name] for name in implementation.argnames}
            future = txaio.as_future(implementation.function, **given)
            name = implementation.plugin_name
            txaio.add_callbacks(future, None, partial(self._observer_failed, name, hook))

    def _loaded(self) -> list[tuple[str, object]]:
        return [(name, p) for name, p in self._manager.list_name_plugin() if p is not None]

    def _load(self, name: str, load: Callable[[], object]) -> None:
        if name in self.blocked:
            return
        try:
            plugin = load()
            if self._manager.has_plugin(name):
                raise ValueError("another plugin has the same name")
            unknown = "; ".join(_unknown_hooks(plugin))
            if unknown:
                raise ValueError(unknown)
            self._manager.register(plugin, name)
            self._manager.check_pending()
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything
            if self._manager.has_plugin(name) and self._manager.get_plugin(name) is plugin:
                self._manager.unregister(name=name)
            self._report(name, f"could not be loaded: {describe_error(error)}")
            return
        for problem in _unmarked_hooks(plugin):
            self._report(name, problem)

    def _call(self, name: str, plugin: object, hook: str) -> None:
        """Call one plugin's hook, and check and store what it registers one by one."""
        names = self._registered.setdefault((name, hook), {})

        def register(*candidate: Any) -> None:
            try:
                names[self.registry.hooks[hook](*candidate)] = None
            except (ValueError, TypeError, AttributeError) as error:
                self._report(name, f"{hook}: {error}")

        others = [p for p in self._manager.get_plugins() if p is not plugin]
        caller = self._manager.subset_hook_caller(hook, others)
        settings = self._settings.get(name, {})
        try:
            caller(register=register, settings=settings)
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything
            self._report(name, f"{hook} failed: {describe_error(error)}")

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


def _identity(plugin: object) -> object:
    return plugin


def describe_error(error: BaseException) -> str:
    """Return type, message and, if it was raised in a plugin, file and line of an exception."""
    text = f"{type(error).__name__}: {' '.join(str(error).split())}"
    frames = [f for f in traceback.extract_tb(error.__traceback__) if _is_in_plugin(f)]
    if not frames:
        return text
    return f"{text} ({Path(frames[-1].filename).name}, line {frames[-1].lineno})"


def _is_in_plugin(frame: traceback.FrameSummary) -> bool:
    """Return whether a frame is neither the gateway's nor the standard library's."""
    if frame.filename.startswith("<"):
        return False
    file = Path(frame.filename)
    if file.is_relative_to(_PACKAGE):
        return False
    import sysconfig  # large, and needed for failed plugins only

    standard_library = Path(sysconfig.get_path("stdlib"))
    return not file.is_relative_to(standard_library) or not _SITE_FOLDERS.isdisjoint(file.parts)


def _unknown_hooks(plugin: object) -> Iterator[str]:
    """Yield a message for each marked function whose name is not a hook's."""
    for name in dir(plugin):
        if name not in HOOKS and hasattr(_attribute(plugin, name), f"{hookspecs.GROUP}_impl"):
            near = get_close_matches(name, HOOKS, 1)
            yield f"there is no hook {name!r}" + (f"; did you mean {near[0]!r}?" if near else "")


def _unmarked_hooks(plugin: object) -> Iterator[str]:
    """Yield a message for each function that has the name of a hook but is not marked."""
    for name in HOOKS:
        function = _attribute(plugin, name)
        if callable(function) and not hasattr(function, f"{hookspecs.GROUP}_impl"):
            yield f"{name} is not marked with hookimpl, so it is never called"


def _attribute(plugin: object, name: str) -> object:
    """Return an attribute, or ``None`` if reading it fails."""
    try:
        return getattr(plugin, name, None)
    except Exception:  # noqa: BLE001 - a property of a plugin may raise anything
        return None
