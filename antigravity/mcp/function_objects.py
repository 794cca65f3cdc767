"""Tools, prompts and resources that call a function.

A function can return its value, a Deferred or a coroutine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct, field
from zope.interface import implementer

from antigravity.interfaces.mcp import (
    IMcpCompleter,
    IMcpContext,
    IMcpDescribed,
    IMcpPrompt,
    IMcpResource,
    IMcpResourceTemplate,
    IMcpTaskTool,
)
from antigravity.interfaces.mcp_values import Completion, Json, PromptArgument, TaskSupport

#: Completes an argument, given its name, the text so far, and the other arguments.
Complete = Callable[[str, str, Mapping[str, str]], Any]


def _no_values(argument: str, value: str, known: Mapping[str, str]) -> Completion:
    return Completion(())


def _extra(meta: Json | None) -> Json:
    return {} if meta is None else {"_meta": meta}


def _nothing() -> Json:
    return {"type": "object", "additionalProperties": False}


@implementer(IMcpTaskTool, IMcpDescribed)
class Tool(Struct, frozen=True, eq=False):
    """A tool that calls ``function`` with the arguments and the context.

    With ``task_support`` its calls can continue as tasks.  ``meta`` is its ``_meta``, such as
    ``{"ui": {"resourceUri": "ui://clock/page"}}`` for a tool with a page.
    """

    name: str
    description: str
    function: Callable[[dict[str, Any], IMcpContext], Any]
    input_schema: Json = field(default_factory=_nothing)
    title: str = ""
    output_schema: Json | None = None
    annotations: Json | None = None
    task_support: TaskSupport | None = None
    meta: Json | None = None

    @property
    def extra(self) -> Json:
        """The further fields of its entry."""
        return _extra(self.meta)

    def call(self, arguments: dict[str, Any], context: IMcpContext) -> Any:
        """Call the function."""
        return self.function(arguments, context)


@implementer(IMcpPrompt, IMcpCompleter)
class Prompt(Struct, frozen=True, eq=False):
    """A prompt that calls ``function`` with the arguments and the context."""

    name: str
    description: str
    function: Callable[[dict[str, str], IMcpContext], Any]
    arguments: Sequence[PromptArgument] = ()
    title: str = ""
    values: Complete = _no_values

    def get(self, arguments: dict[str, str], context: IMcpContext) -> Any:
        """Call the function."""
        return self.function(arguments, context)

    def complete(self, argument: str, value: str, known: Mapping[str, str]) -> Any:
        """Return completions for an argument."""
        return self.values(argument, value, known)


@implementer(IMcpResource, IMcpDescribed)
class Resource(Struct, frozen=True, eq=False):
    """A resource that calls ``function`` with its URI and the context.

    ``meta`` is its ``_meta``, such as ``{"ui": {"csp": ...}}`` for a page.
    """

    uri: str
    name: str
    function: Callable[[str, IMcpContext], Any]
    description: str = ""
    mime_type: str = ""
    title: str = ""
    meta: Json | None = None

    @property
    def extra(self) -> Json:
        """The further fields of its entry."""
        return _extra(self.meta)

    def read(self, uri: str, context: IMcpContext) -> Any:
        """Call the function."""
        return self.function(uri, context)


@implementer(IMcpResourceTemplate, IMcpCompleter)
class Template(Struct, frozen=True, eq=False):
    """A template of resources that calls ``function`` with URI, arguments and context."""

    uri_template: str
    name: str
    function: Callable[[str, dict[str, str], IMcpContext], Any]
    description: str = ""
    mime_type: str = ""
    title: str = ""
    values: Complete = _no_values

    def read(self, uri: str, arguments: dict[str, str], context: IMcpContext) -> Any:
        """Call the function."""
        return self.function(uri, arguments, context)

    def complete(self, argument: str, value: str, known: Mapping[str, str]) -> Any:
        """Return completions for an argument."""
        return self.values(argument, value, known)
