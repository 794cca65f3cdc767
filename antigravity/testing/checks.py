"""What is checked of the things that plugins register, besides that they have all methods.

Every check returns sentences, one for each fault.  They say nothing of what an object is for;
they hold it to what its interface promises in any case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from antigravity.plugin_faults import described
from antigravity.plugins import PluginInfo, PluginProblem, Registry
from antigravity.testing.client_checks import check_client_protocol
from antigravity.testing.embedding_checks import check_embedding_client, check_embedding_server
from antigravity.testing.mcp_checks import check_mcp_prompt, check_mcp_resource, check_mcp_tool
from antigravity.testing.rule_checks import (
    check_background_detector,
    check_selection_policy,
    check_warmup_filter,
)
from antigravity.testing.server_checks import check_server_protocol
from antigravity.testing.trying import Faults
from antigravity.testing.unplugged import unplugged_services
from antigravity.testing.upstream_checks import check_upstream_kind

_Check = tuple[str, Sequence[str], Mapping[str, Any], Callable[[Any], Faults]]


def check_registered(registry: Registry, infos: Iterable[PluginInfo]) -> Iterator[PluginProblem]:
    """Check everything that some plugins have registered."""
    for info in infos:
        for what, names, objects, check in _checks(registry, info):
            for name in names:
                if name in objects:
                    for fault in _guarded(check, objects[name]):
                        yield PluginProblem(info.name, f"{what} {name!r} {fault}")
        for fault in _shared_routes(registry, info):
            yield PluginProblem(info.name, fault)


def _checks(registry: Registry, info: PluginInfo) -> Iterator[_Check]:
    yield "server protocol", info.protocols, registry.servers, check_server_protocol
    yield "client protocol", info.protocols, registry.clients, check_client_protocol
    servers, clients = registry.embedding_servers, registry.embedding_clients
    yield "server protocol for vectors", info.protocols, servers, check_embedding_server
    yield "client protocol for vectors", info.protocols, clients, check_embedding_client

    def kind(candidate: Any) -> Faults:
        services = unplugged_services(candidate.kind, registry.clients)
        return check_upstream_kind(candidate, services, registry.embedding_clients)

    yield "kind of upstream", info.upstream_kinds, registry.upstream_kinds, kind
    filters, detectors = registry.warmup_filters, registry.background_detectors
    yield "warm-up filter", info.warmup_filters, filters, check_warmup_filter
    yield "background detector", info.background_detectors, detectors, check_background_detector
    policies = registry.selection_policies
    yield "selection policy", info.selection_policies, policies, check_selection_policy
    tools = {tool.name: tool for tool in registry.mcp.tools()}
    yield "MCP tool", info.mcp_tools, tools, check_mcp_tool
    prompts = {prompt.name: prompt for prompt in registry.mcp.prompts()}
    yield "MCP prompt", info.mcp_prompts, prompts, check_mcp_prompt
    resources = {resource.uri: resource for resource in registry.mcp.resources()}
    yield "MCP resource", info.mcp_resources, resources, check_mcp_resource


def _shared_routes(registry: Registry, info: PluginInfo) -> Faults:
    """Return what is said of ways in that several protocols have, of which one serves."""
    taken = {
        (route.method, route.path): door.name
        for door in registry.doors
        for route in door.routes
        if door.name not in info.protocols and route.method == "POST"
    }
    for door in registry.doors:
        for route in door.routes if door.name in info.protocols else ():
            other = taken.get((route.method, route.path))
            if other is not None:
                where = f"{route.method} {route.path}"
                yield f"server protocol {door.name!r} has the route {where}, as {other!r} has"


def _guarded(check: Callable[[Any], Faults], candidate: object) -> Faults:
    """Return the faults; an exception is one, too."""
    try:
        yield from check(candidate)
    except Exception as error:  # noqa: BLE001 - a plugin may raise anything
        yield f"raises {described(error)}"
