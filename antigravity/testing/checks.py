"""Checks of the objects that plugins register, beyond their methods.

Every check yields one sentence for each problem.  The checks verify what the interface of an object
guarantees, not its purpose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from antigravity.plugin_registry import Registry
from antigravity.plugins import PluginInfo, PluginProblem, describe_error
from antigravity.testing.admin_checks import check_admin_route, check_dashboard_page
from antigravity.testing.attempts import Problems
from antigravity.testing.client_checks import check_client_protocol
from antigravity.testing.embedding_checks import check_embedding_client, check_embedding_server
from antigravity.testing.mcp_checks import check_mcp_prompt, check_mcp_resource, check_mcp_tool
from antigravity.testing.offline_services import offline_services
from antigravity.testing.rule_checks import (
    check_background_detector,
    check_selection_policy,
    check_warmup_filter,
)
from antigravity.testing.server_checks import check_server_protocol
from antigravity.testing.upstream_checks import check_upstream_kind

_Check = tuple[str, str, Mapping[str, Any], Callable[[Any], Problems]]


def check_registered(registry: Registry, infos: Iterable[PluginInfo]) -> Iterator[PluginProblem]:
    """Check all objects that plugins have registered."""
    checks = _checks(registry)
    for info in infos:
        for hook, kind, objects, check in checks:
            for name in info.registered.get(hook, ()):
                if name in objects:
                    for fault in _guarded(check, objects[name]):
                        yield PluginProblem(info.name, f"{kind} {name!r} {fault}")
        for fault in _shared_routes(registry, info):
            yield PluginProblem(info.name, fault)


def _checks(registry: Registry) -> Sequence[_Check]:
    """Return the table of checks: hook, name of the kind, objects by name, check."""

    def check_kind(candidate: Any) -> Problems:
        services = offline_services(candidate.kind, registry.clients)
        return check_upstream_kind(candidate, services, registry.embedding_clients)

    embedding_servers, embedding_clients = registry.embedding_servers, registry.embedding_clients
    detectors = registry.background_detectors
    tools = {tool.name: tool for tool in registry.mcp.tools()}
    prompts = {prompt.name: prompt for prompt in registry.mcp.prompts()}
    resources = {resource.uri: resource for resource in registry.mcp.resources()}
    return (
        ("protocols", "server protocol", registry.servers, check_server_protocol),
        ("protocols", "client protocol", registry.clients, check_client_protocol),
        ("protocols", "embedding server protocol", embedding_servers, check_embedding_server),
        ("protocols", "embedding client protocol", embedding_clients, check_embedding_client),
        ("upstreams", "kind of upstream", registry.upstream_kinds, check_kind),
        ("admin_routes", "admin route", registry.admin_routes, check_admin_route),
        ("dashboard_pages", "dashboard page", registry.dashboard_pages, check_dashboard_page),
        ("warmup_filters", "warm-up filter", registry.warmup_filters, check_warmup_filter),
        ("background_detectors", "background detector", detectors, check_background_detector),
        (
            "selection_policies",
            "selection policy",
            registry.selection_policies,
            check_selection_policy,
        ),
        ("mcp_tools", "MCP tool", tools, check_mcp_tool),
        ("mcp_prompts", "MCP prompt", prompts, check_mcp_prompt),
        ("mcp_resources", "MCP resource", resources, check_mcp_resource),
    )


def _shared_routes(registry: Registry, info: PluginInfo) -> Problems:
    """Yield routes that another protocol has, too; only one of the two is served."""
    own = info.registered.get("protocols", ())
    routes = {
        (route.method, route.path): server.name
        for server in registry.all_servers
        for route in server.routes
        if server.name not in own and route.method == "POST"
    }
    for server in registry.all_servers:
        for route in server.routes if server.name in own else ():
            other = routes.get((route.method, route.path))
            if other is not None:
                where = f"{route.method} {route.path}"
                yield f"server protocol {server.name!r} has the route {where}, as {other!r} has"


def _guarded(check: Callable[[Any], Problems], candidate: object) -> Problems:
    """Yield the problems; an exception is one, too."""
    try:
        yield from check(candidate)
    except Exception as error:  # noqa: BLE001 - a plugin can raise anything
        yield f"raises {describe_error(error)}"
