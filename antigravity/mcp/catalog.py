"""A catalog of tools, prompts and resources that its owner can change."""

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

#: Separates a namespace from a name.
SEPARATOR: Final = "__"
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_NAMESPACE: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]|_(?!_)){0,62}[A-Za-z0-9]|[A-Za-z0-9]")

Watcher = Callable[[McpChange], None]


def check_name(name: str) -> str:
    """Return the name of a tool.

    :raises ValueError: if some clients could not use it.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{name!r} is not a valid tool name: use up to 128 letters, digits, '_', '-' and '.'"
        )
    return name


def check_namespace(namespace: str) -> str:
    """Return the name of a namespace, which may be empty.

    :raises ValueError: if prefixed names would be ambiguous.
    """
    if namespace and not _NAMESPACE.fullmatch(namespace):
        raise ValueError(
            f"{namespace!r} is not a valid namespace: use up to 64 letters, digits, '-', '.' and "
            "single '_', with a letter or digit at both ends"
        )
    return namespace


class Watchers:
    """Functions to call when something changes."""

    def __init__(self) -> None:
        self._watchers: dict[object, Watcher] = {}

    def add(self, watcher: Watcher) -> Callable[[], None]:
        """Call ``watcher`` for every change; return a function that stops that."""
        key = object()
        self._watchers[key] = watcher
        return lambda: self._watchers.pop(key, None) and None

    def notify(self, change: McpChange) -> None:
        """Call all watchers."""
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
        """Call ``changed`` for every change; return a function that stops that."""
        return self._watchers.add(changed)

    def set_tools(self, tools: Iterable[IMcpTool]) -> None:
        """Replace the tools."""
        self._tools = {tool.name: tool for tool in tools}
        self._watchers.notify(McpChange("tools"))

    def set_prompts(self, prompts: Iterable[IMcpPrompt]) -> None:
        """Replace the prompts."""
        self._prompts = {prompt.name: prompt for prompt in prompts}
        self._watchers.notify(McpChange("prompts"))

    def set_resources(
        self,
        resources: Iterable[IMcpResource],
        templates: Iterable[IMcpResourceTemplate] = (),
    ) -> None:
        """Replace the resources and templates."""
        self._resources = {resource.uri: resource for resource in resources}
        self._templates = {template.uri_template: template for template in templates}
        self._watchers.notify(McpChange("resources"))

    def add_tool(self, tool: IMcpTool) -> str:
        """Add a tool, and return its name.

        :raises ValueError: if the name is taken.
        """
        return self._add(self._tools, check_name(tool.name), tool, "tools")

    def add_prompt(self, prompt: IMcpPrompt) -> str:
        """Add a prompt, and return its name.

        :raises ValueError: if the name is taken.
        """
        return self._add(self._prompts, prompt.name, prompt, "prompts")

    def add_resource(self, resource: IMcpResource) -> str:
        """Add a resource, and return its URI.

        :raises ValueError: if the URI is taken.
        """
        return self._add(self._resources, resource.uri, resource, "resources")

    def add_template(self, template: IMcpResourceTemplate) -> str:
        """Add a resource template, and return its URI template.

        :raises ValueError: if the URI template is taken.
        """
        return self._add(self._templates, template.uri_template, template, "resources")

    def remove_tool(self, name: str) -> None:
        """Remove a tool."""
        if self._tools.pop(name, None) is not None:
            self._watchers.notify(McpChange("tools"))

    def resource_updated(self, uri: str) -> None:
        """Notify watchers that the content of a resource has changed."""
        self._watchers.notify(McpChange("resource", uri))

    def _add(self, known: dict[str, Any], name: str, candidate: object, kind: Any) -> str:
        if name in known:
            raise ValueError(f"the name {name!r} is taken")
        known[name] = candidate
        self._watchers.notify(McpChange(kind))
        return name
