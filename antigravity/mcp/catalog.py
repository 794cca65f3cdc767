"""What is offered over MCP: one catalog that its owner changes, and many seen as one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from zope.interface import implementer

from antigravity.interfaces.mcp import (
    IMcpCatalog,
    IMcpPrompt,
    IMcpResource,
    IMcpResourceTemplate,
    IMcpTool,
)
from antigravity.interfaces.mcp_values import McpChange

#: Between a namespace and a name.
SEPARATOR: Final = "__"
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_NAMESPACE: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]|_(?!_)){0,62}[A-Za-z0-9]|[A-Za-z0-9]")

Watcher = Callable[[McpChange], None]


def check_name(name: str) -> str:
    """Return the name of a tool.

    :raises ValueError: if it is none that all clients can use.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{name!r} is no name for a tool: up to 128 letters, digits, '_', '-' and '.'"
        )
    return name


def check_namespace(namespace: str) -> str:
    """Return the name of a namespace, which may be empty.

    :raises ValueError: if names could not be told apart behind it.
    """
    if namespace and not _NAMESPACE.fullmatch(namespace):
        raise ValueError(
            f"{namespace!r} is no namespace: up to 64 letters, digits, '-', '.' and single '_', "
            "with a letter or digit at both ends"
        )
    return namespace


class Watchers:
    """Those that want to hear of changes."""

    def __init__(self) -> None:
        self._watchers: dict[object, Watcher] = {}

    def add(self, watcher: Watcher) -> Callable[[], None]:
        """Tell ``watcher`` from now on; return what ends that."""
        key = object()
        self._watchers[key] = watcher
        return lambda: self._watchers.pop(key, None) and None

    def tell(self, change: McpChange) -> None:
        """Tell everybody."""
        for watcher in list(self._watchers.values()):
            watcher(change)


@implementer(IMcpCatalog)
class Catalog:
    """A catalog that its owner fills and changes."""

    def __init__(self, namespace: str = "") -> None:
        self.namespace = check_namespace(namespace)
        self._watchers = Watchers()
        self._tools: dict[str, Any] = {}
        self._prompts: dict[str, Any] = {}
        self._resources: dict[str, Any] = {}
        self._templates: dict[str, Any] = {}

    def tools(self) -> Sequence[Any]:
        """Return the tools."""
        return tuple(self._tools.values())

    def prompts(self) -> Sequence[Any]:
        """Return the prompts."""
        return tuple(self._prompts.values())

    def resources(self) -> Sequence[Any]:
        """Return the resources."""
        return tuple(self._resources.values())

    def templates(self) -> Sequence[Any]:
        """Return the resource templates."""
        return tuple(self._templates.values())

    def watch(self, changed: Watcher) -> Callable[[], None]:
        """Call ``changed`` for every change; return what ends that."""
        return self._watchers.add(changed)

    def set_tools(self, tools: Iterable[IMcpTool]) -> None:
        """Offer these tools and no others."""
        self._tools = {tool.name: tool for tool in tools}
        self._watchers.tell(McpChange("tools"))

    def set_prompts(self, prompts: Iterable[IMcpPrompt]) -> None:
        """Offer these prompts and no others."""
        self._prompts = {prompt.name: prompt for prompt in prompts}
        self._watchers.tell(McpChange("prompts"))

    def set_resources(
        self,
        resources: Iterable[IMcpResource],
        templates: Iterable[IMcpResourceTemplate] = (),
    ) -> None:
        """Offer these resources and templates and no others."""
        self._resources = {resource.uri: resource for resource in resources}
        self._templates = {template.uri_template: template for template in templates}
        self._watchers.tell(McpChange("resources"))

    def add_tool(self, tool: IMcpTool) -> str:
        """Offer one more tool, and return its name.

        :raises ValueError: if the name is taken.
        """
        return self._add(self._tools, check_name(tool.name), tool, "tools")

    def add_prompt(self, prompt: IMcpPrompt) -> str:
        """Offer one more prompt, and return its name.

        :raises ValueError: if the name is taken.
        """
        return self._add(self._prompts, prompt.name, prompt, "prompts")

    def add_resource(self, resource: IMcpResource) -> str:
        """Offer one more resource, and return its address.

        :raises ValueError: if the address is taken.
        """
        return self._add(self._resources, resource.uri, resource, "resources")

    def add_template(self, template: IMcpResourceTemplate) -> str:
        """Offer one more resource template, and return it.

        :raises ValueError: if it is there already.
        """
        return self._add(self._templates, template.uri_template, template, "resources")

    def remove_tool(self, name: str) -> None:
        """Offer a tool no longer."""
        if self._tools.pop(name, None) is not None:
            self._watchers.tell(McpChange("tools"))

    def resource_updated(self, uri: str) -> None:
        """Say that a resource holds something else now."""
        self._watchers.tell(McpChange("resource", uri))

    def _add(self, known: dict[str, Any], name: str, candidate: object, kind: Any) -> str:
        if name in known:
            raise ValueError(f"the name {name!r} is taken")
        known[name] = candidate
        self._watchers.tell(McpChange(kind))
        return name
