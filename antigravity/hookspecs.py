"""The whole plugin API: what a plugin can register, and what it can watch.

A plugin is a module or object with functions of these names, marked with
:data:`hookimpl`, and an entry point in the group ``antigravity``.  See ``docs/plugins.rst``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from pluggy import HookimplMarker, HookspecMarker

if TYPE_CHECKING:
    from antigravity.interfaces.accounts import AccountChange
    from antigravity.ir.record import ExchangeRecord

#: The entry-point group, and the project name that hooks are marked with.
GROUP: Final = "antigravity"

hookspec = HookspecMarker(GROUP)
hookimpl = HookimplMarker(GROUP)


@hookspec
def register_protocols(register: Callable[[object], None], settings: Mapping[str, Any]) -> None:
    """Register wire protocols: providers of IServerProtocol, IClientProtocol, or both."""


@hookspec
def register_upstreams(register: Callable[[object], None], settings: Mapping[str, Any]) -> None:
    """Register kinds of upstream: providers of IUpstreamKind."""


@hookspec
def register_routes(
    register: Callable[[str, str, Callable[[Any], Any]], None], settings: Mapping[str, Any]
) -> None:
    """Register HTTP routes of your own, as method, path and handler."""


@hookspec
def register_warmup_filters(
    register: Callable[[object], None], settings: Mapping[str, Any]
) -> None:
    """Register filters for requests that no model has to answer: providers of IWarmupFilter."""


@hookspec
def register_background_detectors(
    register: Callable[[object], None], settings: Mapping[str, Any]
) -> None:
    """Register detectors of clients' own small tasks: providers of IBackgroundDetector."""


@hookspec
def register_selection_policies(
    register: Callable[[object], None], settings: Mapping[str, Any]
) -> None:
    """Register ways to choose among accounts: providers of ISelectionPolicy."""


@hookspec
def register_mcp_tools(register: Callable[[object], None], settings: Mapping[str, Any]) -> None:
    """Register tools for MCP clients: providers of IMcpTool."""


@hookspec
def register_mcp_prompts(register: Callable[[object], None], settings: Mapping[str, Any]) -> None:
    """Register prompts for MCP clients: providers of IMcpPrompt."""


@hookspec
def register_mcp_resources(register: Callable[[object], None], settings: Mapping[str, Any]) -> None:
    """Register resources: providers of IMcpResource or IMcpResourceTemplate."""


@hookspec
def register_mcp_catalogs(register: Callable[[object], None], settings: Mapping[str, Any]) -> None:
    """Register sets of tools, prompts and resources that change: providers of IMcpCatalog."""


@hookspec
def exchange_started(record: ExchangeRecord) -> object:
    """Watch a request that was accepted and is about to be served."""


@hookspec
def exchange_finished(record: ExchangeRecord) -> object:
    """Watch a request that has been answered, has failed, or whose client has gone."""


@hookspec
def account_changed(change: AccountChange) -> object:
    """Watch an account be locked, disabled or protected, or come back."""
