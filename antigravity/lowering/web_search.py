"""Web searches that must not go to the live web."""

from __future__ import annotations

from msgspec.structs import replace

from antigravity.ir.capabilities import Loss, Traits
from antigravity.ir.request import Request
from antigravity.ir.tools import WebSearchTool


def without_live_search(request: Request, traits: Traits) -> tuple[Request, tuple[Loss, ...]]:
    """Return the request without searches of an index, where the target has only live ones.

    A client that forbids access to the web (OpenAI's ``external_web_access: false``) must not get a
    search that has it.
    """
    if traits.cached_search:
        return request, ()
    tools = tuple(tool for tool in request.tools if not _is_offline(tool))
    if len(tools) == len(request.tools):
        return request, ()
    choice = request.tool_choice
    if choice is not None and "web_search" in choice.names:
        names = tuple(name for name in choice.names if name != "web_search")
        choice = replace(choice, names=names) if names else None
    if not tools:
        choice = None
    loss = Loss(
        "tools.web_search",
        "dropped: access to the live web is not allowed, and the upstream has no other search",
        content=True,
    )
    return replace(request, tools=tools, tool_choice=choice), (loss,)


def _is_offline(tool: object) -> bool:
    return isinstance(tool, WebSearchTool) and not tool.live
