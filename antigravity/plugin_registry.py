"""What plugins have registered, checked and stored by kind."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from zope.interface import Interface
from zope.interface.exceptions import Invalid
from zope.interface.verify import verifyObject

from antigravity.config.known_names import KnownNames
from antigravity.interfaces.admin_routes import AdminRoute
from antigravity.interfaces.dashboard import DashboardPage
from antigravity.interfaces.embeddings import (
    IEmbeddingClient,
    IEmbeddingKind,
    IEmbeddingServer,
)
from antigravity.interfaces.interception import IBackgroundDetector, IWarmupFilter
from antigravity.interfaces.key_store import IKeyStoreKind
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
from antigravity.interfaces.state import IStateKind
from antigravity.interfaces.upstreams import IUpstreamKind
from antigravity.mcp.catalog import Catalog
from antigravity.mcp.checks import check_tool
from antigravity.mcp.protocol.uri_templates import check_template

#: Where the admin routes of plugins are.
ADMIN_PREFIX: Final = "/admin/plugins/"
_PAGE_NAME: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*")
_PATH_NAME: Final = re.compile(r"<(\w+)>")


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
    :ivar owners: the plugin of each registered object, by hook and name.
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
        self.state_kinds: dict[str, Any] = {}
        self.key_store_kinds: dict[str, Any] = {}
        self.mcp = Catalog()
        self.mcp_catalogs: list[Any] = []
        self.admin_routes: dict[str, AdminRoute] = {}
        self.dashboard_pages: dict[str, DashboardPage] = {}
        self.commands: dict[str, Any] = {}
        self.owners: dict[tuple[str, str], str] = {}
        self.hooks: Mapping[str, Callable[..., str]] = {
            "register_protocols": self._add_protocol,
            "register_upstreams": self.upstream_kinds.add,
            "register_routes": self._add_route,
            "register_warmup_filters": self.warmup_filters.add,
            "register_background_detectors": self.background_detectors.add,
            "register_selection_policies": self.selection_policies.add,
            "register_stores": self._add_store_kind,
            "register_mcp_tools": self._add_mcp_tool,
            "register_mcp_prompts": self._add_mcp_prompt,
            "register_mcp_resources": self._add_mcp_resource,
            "register_mcp_catalogs": self._add_mcp_catalog,
            "register_admin_routes": self._add_admin_route,
            "register_dashboard_pages": self._add_dashboard_page,
            "register_commands": self._add_command,
        }

    @property
    def gateway_hooks(self) -> tuple[str, ...]:
        """The hooks of what a gateway needs."""
        return tuple(hook for hook in self.hooks if hook != "register_commands")

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
        return KnownNames(
            tuple(self.upstream_kinds),
            tuple(self.selection_policies),
            tuple(self.state_kinds),
            tuple(self.key_store_kinds),
        )

    def owned_admin_routes(self) -> list[AdminRoute]:
        """Return the admin routes of plugins and of their pages, with the plugins' names."""
        kind = "register_admin_routes"
        owners = {name: plugin for (hook, name), plugin in self.owners.items() if hook == kind}
        for page in self.dashboard_pages.values():
            plugin = self.page_owner(page)
            owners |= dict.fromkeys(map(_route_name, page.actions.values()), plugin)
        return [
            msgspec.structs.replace(route, plugin=owners.get(name, ""))
            for name, route in self.admin_routes.items()
        ]

    def page_owner(self, page: DashboardPage) -> str:
        """Return the plugin of a page."""
        return self.owners.get(("register_dashboard_pages", page.name), "")

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

    def _add_store_kind(self, kind: Any) -> str:
        """Store a kind of shared state, or of key store, by its schemes."""
        is_for_keys = IKeyStoreKind.providedBy(kind)
        _verify(IKeyStoreKind if is_for_keys else IStateKind, kind)
        kinds = self.key_store_kinds if is_for_keys else self.state_kinds
        schemes = kind.schemes
        if not isinstance(schemes, tuple) or not schemes:
            raise ValueError(f"its schemes are no tuple of names, but {schemes!r}")
        for scheme in schemes:
            if not isinstance(scheme, str) or not _SCHEME.fullmatch(scheme):
                raise ValueError(f"{scheme!r} is not a valid scheme in lower case")
            if scheme in kinds:
                raise ValueError(f"the scheme {scheme!r} is taken")
        kinds.update(dict.fromkeys(schemes, kind))
        return ", ".join(schemes)

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

    def _add_admin_route(self, route: AdminRoute) -> str:
        name = self._check_admin_route(route)
        self.admin_routes[name] = route
        return name

    def _check_admin_route(self, route: AdminRoute) -> str:
        if not isinstance(route, AdminRoute):
            raise TypeError(f"{route!r} is no AdminRoute")
        name = _route_name(route)
        if not route.path.startswith(ADMIN_PREFIX):
            raise ValueError(f"the path {route.path!r} does not begin with {ADMIN_PREFIX}")
        if name in self.admin_routes:
            raise ValueError(f"the route {name} is taken")
        if unknown := route.names.keys() - set(_PATH_NAME.findall(route.path)):
            raise ValueError(f"the path {route.path!r} has no {', '.join(sorted(unknown))}")
        for kind in (route.query, route.body):
            if kind is not None and not issubclass(kind, msgspec.Struct):
                raise TypeError(f"{kind!r} is no Struct")
            msgspec.json.Decoder(kind)
        return name

    def _add_dashboard_page(self, page: DashboardPage) -> str:
        if not isinstance(page, DashboardPage):
            raise TypeError(f"{page!r} is no DashboardPage")
        if not _PAGE_NAME.fullmatch(page.name):
            raise ValueError(f"{page.name!r} is not a valid name")
        if page.name in self.dashboard_pages:
            raise ValueError(f"the name {page.name!r} is taken")
        if unknown := page.actions.keys() - {n for n in page.actions if _PAGE_NAME.fullmatch(n)}:
            raise ValueError(f"{unknown.pop()!r} is not a valid name of an action")
        names = [self._check_admin_route(route) for route in page.actions.values()]
        if len(names) != len(set(names)):
            raise ValueError("two actions have the same route")
        self.admin_routes.update(zip(names, page.actions.values(), strict=True))
        self.dashboard_pages[page.name] = page
        return page.name

    def _add_command(self, command: Any) -> str:
        name = getattr(command, "name", None)
        if not isinstance(name, str) or not hasattr(command, "invoke"):
            raise TypeError(f"{command!r} is no command of click")
        if name in self.commands:
            raise ValueError(f"the command {name!r} is taken")
        self.commands[name] = command
        return name


def _route_name(route: AdminRoute) -> str:
    return f"{route.method} {route.path}"


def _verify(interface: type[Interface], candidate: object) -> None:
    if isinstance(candidate, LazyProtocol):
        return  # a built-in one; to verify it would import it
    try:
        verifyObject(interface, candidate)
    except Invalid as error:
        raise ValueError(" ".join(str(error).split())) from error
