"""All catalogs of an endpoint, combined."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Literal

from msgspec import Struct

from antigravity.interfaces.mcp import (
    IMcpCatalog,
    IMcpDescribed,
    IMcpRemoteCatalog,
    IMcpRestrictedTool,
    IMcpTaskTool,
)
from antigravity.interfaces.mcp_values import McpChange, TaskSupport
from antigravity.mcp.catalog import SEPARATOR, Watcher, Watchers
from antigravity.mcp.protocol import lists, ui
from antigravity.mcp.protocol.revisions import REVISIONS


def _meta_of(tool: Any) -> Any:
    return tool.extra.get("_meta") if IMcpDescribed.providedBy(tool) else None


class ToolRules(Struct, frozen=True):
    """What sets a tool apart from others.

    ``task``: how its calls continue as tasks.  ``app_only``: only its page may call it, so that
    clients without pages must not show it to a model.  ``restricted`` is the tool, if it says who
    may call it.
    """

    task: TaskSupport | None = None
    app_only: bool = False
    restricted: Any = None


Kind = Literal["tools", "prompts", "resources"]
_KINDS: Final[tuple[Kind, ...]] = ("tools", "prompts", "resources")


class McpRegistry:
    """A combination of catalogs, which can be added and removed at any time.

    The combined lists are cached until a catalog changes.  Names in a namespace get the prefix
    ``NAMESPACE__``; if two names are equal, the first is used.
    """

    def __init__(self, catalogs: Iterable[IMcpCatalog] = ()) -> None:
        self._catalogs: dict[IMcpCatalog, Callable[[], None]] = {}
        self._watchers = Watchers()
        self._seen: dict[str, dict[str, Any]] = {}
        self._rules: dict[str, ToolRules] | None = None
        for catalog in catalogs:
            self.add(catalog)

    @property
    def catalogs(self) -> Sequence[IMcpCatalog]:
        """The catalogs, in the order in which they were added."""
        return tuple(self._catalogs)

    def add(self, catalog: IMcpCatalog) -> None:
        """Add a catalog."""
        self._catalogs[catalog] = catalog.watch(self._changed)
        self._changed_all()

    def remove(self, catalog: IMcpCatalog) -> None:
        """Remove a catalog."""
        unwatch = self._catalogs.pop(catalog, None)
        if unwatch is not None:
            unwatch()
            self._changed_all()

    def replace(self, catalogs: Iterable[IMcpCatalog]) -> None:
        """Replace all catalogs."""
        before = self._shape()
        for unwatch in self._catalogs.values():
            unwatch()
        self._catalogs = {catalog: catalog.watch(self._changed) for catalog in catalogs}
        self._forget_all()
        after = self._shape()
        for kind in _KINDS:
            if before[kind] != after[kind]:
                self._watchers.notify(McpChange(kind))

    def watch(self, changed: Watcher) -> Callable[[], None]:
        """Call ``changed`` for every change; return a function that stops that."""
        return self._watchers.add(changed)

    def tools(self) -> dict[str, Any]:
        """Return the tools by the names that clients see."""
        seen = self._seen.get("tools")
        return self._all("tools", lambda c: c.tools(), "name") if seen is None else seen

    def tool_rules(self) -> dict[str, ToolRules]:
        """Return the rules of the tools that have any, by the names that clients see."""
        rules = self._rules
        if rules is None:
            rules = self._rules = {}
            for name, tool in self.tools().items():
                task = tool.task_support if IMcpTaskTool.providedBy(tool) else None
                app_only = not ui.is_visible_to("model", _meta_of(tool))
                restricted = tool if IMcpRestrictedTool.providedBy(tool) else None
                if task is not None or app_only or restricted is not None:
                    rules[name] = ToolRules(task, app_only, restricted)
        return rules

    def find_page(self, uri: str) -> Any:
        """Return a resource that is in no list, ``None`` if there is none at ``uri``."""
        for catalog in self._catalogs:
            found = catalog.find_resource(uri) if IMcpRemoteCatalog.providedBy(catalog) else None
            if found is not None:
                return found
        return None

    def client_lists(self, *, shows_pages: bool) -> None:
        """Tell the catalogs of other servers that a client reads a list."""
        for catalog in self._catalogs:
            if IMcpRemoteCatalog.providedBy(catalog):
                catalog.client_lists(shows_pages=shows_pages)

    def names_for_page(self, name: str) -> list[str]:
        """Return the full names of the tools that a page can mean by ``name``.

        A page knows the name at its own server.  It can only mean tools of servers with pages.
        """
        found = []
        for catalog in self._catalogs:
            tools = catalog.tools() if catalog.namespace else ()
            if any(ui.has_page(_meta_of(tool)) for tool in tools):
                found += [
                    f"{catalog.namespace}{SEPARATOR}{name}"
                    for tool in tools
                    if tool.name == name and ui.is_visible_to("app", _meta_of(tool))
                ]
        return found

    def prompts(self) -> dict[str, Any]:
        """Return the prompts by the names that clients see."""
        return self._all("prompts", lambda c: c.prompts(), "name")

    def resources(self) -> dict[str, Any]:
        """Return the resources by URI."""
        return self._all("resources", lambda c: c.resources(), "uri")

    def templates(self) -> dict[str, Any]:
        """Return the resource templates by template."""
        return self._all("templates", lambda c: c.templates(), "uri_template")

    def _all(
        self, kind: str, members: Callable[[IMcpCatalog], Sequence[Any]], key: str
    ) -> dict[str, Any]:
        seen = self._seen.get(kind)
        if seen is None:
            seen = self._seen[kind] = {}
            for catalog in self._catalogs:
                before = f"{catalog.namespace}{SEPARATOR}" if catalog.namespace else ""
                prefix = before if key == "name" else ""
                for member in members(catalog):
                    seen.setdefault(prefix + getattr(member, key), member)
        return seen

    def _changed(self, change: McpChange) -> None:
        if change.kind == "resource":
            self._watchers.notify(change)
            return
        self._seen.pop(change.kind, None)
        if change.kind == "resources":
            self._seen.pop("templates", None)
        elif change.kind == "tools":
            self._rules = None
        self._watchers.notify(change)

    def _forget_all(self) -> None:
        self._seen.clear()
        self._rules = None

    def _changed_all(self) -> None:
        self._forget_all()
        for kind in _KINDS:
            self._watchers.notify(McpChange(kind))

    def _shape(self) -> dict[Kind, object]:
        """Return all lists as clients see them, to detect changes."""
        newest = next(iter(REVISIONS.values()))
        return {
            "tools": [lists.tool(name, one, newest) for name, one in self.tools().items()],
            "prompts": [lists.prompt(name, one, newest) for name, one in self.prompts().items()],
            "resources": (
                [lists.resource(uri, one, newest) for uri, one in self.resources().items()],
                [lists.template(uri, one, newest) for uri, one in self.templates().items()],
            ),
        }
