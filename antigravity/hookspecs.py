"""The plugin API: what a plugin can register, and the events that it can watch.

A plugin is a module or object with functions of these names, marked with
:data:`hookimpl`, and an entry point in the group ``antigravity``.  See ``docs/plugins.rst``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from pluggy import HookimplMarker, HookspecMarker

if TYPE_CHECKING:
    from antigravity.interfaces.accounts import AccountChange
    from antigravity.interfaces.ledger import RequestSummary
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
    """Register HTTP routes: method, path and handler."""


@hookspec
def register_warmup_filters(
    register: Callable[[object], None], settings: Mapping[str, Any]
) -> None:
    """Register filters of requests that need no model: providers of IWarmupFilter."""


@hookspec
def register_background_detectors(
    register: Callable[[object], None], settings: Mapping[str, Any]
) -> None:
    """Register detectors of clients' background tasks: providers of IBackgroundDetector."""


@hookspec
def register_selection_policies(
    register: Callable[[object], None], settings: Mapping[str, Any]
) -> None:
    """Register policies that select among accounts: providers of ISelectionPolicy."""


@hookspec
def register_stores(register: Callable[[object], None], settings: Mapping[str, Any]) -> None:
    """Register kinds of shared state and of key stores: providers of IStateKind, IKeyStoreKind."""


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
    """Register changing sets of tools, prompts and resources: providers of IMcpCatalog."""


@hookspec
def register_admin_routes(register: Callable[[object], None], settings: Mapping[str, Any]) -> None:
    """Register requests of the admin API: AdminRoute objects."""


@hookspec
def register_dashboard_pages(
    register: Callable[[object], None], settings: Mapping[str, Any]
) -> None:
    """Register pages of the dashboard: DashboardPage objects."""


@hookspec
def register_commands(register: Callable[[object], None], settings: Mapping[str, Any]) -> None:
    """Register commands of ``antigravity``: commands or groups of click."""


@hookspec
def exchange_started(record: ExchangeRecord) -> object:
    """Watch a request that was accepted and is about to be served."""


@hookspec
def exchange_finished(record: ExchangeRecord) -> object:
    """Watch a request that was served, has failed, or whose client has disconnected."""


@hookspec
def requests_recorded(requests: Sequence[RequestSummary]) -> object:
    """Watch requests that the ledger has stored, in batches."""


@hookspec
def account_changed(change: AccountChange) -> object:
    """Watch an account that is locked, disabled, protected, or available again."""
