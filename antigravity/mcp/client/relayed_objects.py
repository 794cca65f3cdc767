"""Tools, prompts and resources of another server, as the gateway offers them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from twisted.internet.defer import Deferred
from zope.interface import implementer

from antigravity.interfaces.mcp import (
    IMcpCompleter,
    IMcpContext,
    IMcpDescribed,
    IMcpPrompt,
    IMcpRelayed,
    IMcpResource,
    IMcpResourceTemplate,
    IMcpTaskTool,
)
from antigravity.interfaces.mcp_values import (
    Completion,
    Json,
    McpError,
    PromptArgument,
    PromptResult,
    TaskSupport,
    ToolError,
    ToolResult,
)
from antigravity.mcp.client.remote_tasks import call_tool
from antigravity.mcp.client.request_sender import RequestSender
from antigravity.mcp.context import CallContext
from antigravity.mcp.protocol import messages
from antigravity.mcp.protocol.headers import META, parameter_headers
from antigravity.mcp.protocol.ui import original, prefix_blocks, prefix_contents, prefix_meta
from antigravity.redaction.credentials import CREDENTIALS

#: Further fields of an entry that clients see.
_EXTRA: Final = ("icons", "_meta")
#: Errors that are meant for the client; all others concern only the gateway.
_FOR_CLIENTS: Final = (messages.INVALID_PARAMS, messages.MISSING_CAPABILITY)


def text(entry: Json, key: str) -> str:
    """Return a text in an entry, ``""`` if it has none."""
    value = entry.get(key)
    return value if isinstance(value, str) else ""


def extra_of(entry: Json, server: str, more: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the further fields of an entry: those that all entries have, and ``more``."""
    found = {key: entry[key] for key in (*_EXTRA, *more) if entry.get(key) is not None}
    if isinstance(found.get("_meta"), Mapping):
        found["_meta"] = prefix_meta(server, found["_meta"])
    return found


def _meta_of(result: Json, server: str) -> Json | None:
    """Return the metadata for the client, without that of the protocol."""
    meta = result.get("_meta")
    if not isinstance(meta, Mapping):
        return None
    found = {key: value for key, value in meta.items() if not key.startswith(META)}
    return prefix_meta(server, found) if found else None


def _objects(value: object, what: str) -> Sequence[Json]:
    if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
        raise ToolError(f"The server's response is not a {what}.")
    return value


@implementer(IMcpTaskTool, IMcpRelayed, IMcpDescribed)
class RelayedTool(Struct, frozen=True, eq=False):
    """A tool of another server.

    ``task_support`` is there if its calls can continue as tasks.  ``session_task`` is then the
    tool's ``taskSupport`` in revision 2025-11-25, ``""`` in later revisions.
    """

    server: RequestSender
    name: str
    title: str
    description: str
    input_schema: Any
    output_schema: Json | None
    annotations: Json | None
    extra: Json
    task_support: TaskSupport | None = None
    session_task: str = ""

    def call(self, arguments: dict[str, Any], context: IMcpContext) -> Deferred[ToolResult]:
        """Call the tool at the server."""
        params = {"name": self.name, "arguments": arguments}
        headers = parameter_headers(self.input_schema, arguments)
        if self.task_support is not None and isinstance(context, CallContext):
            calling = call_tool(self.server, self.session_task, params, context, headers)
            result = Deferred.fromCoroutine(calling)
        else:
            result = self.server.send("tools/call", params, context, headers)
        return result.addCallbacks(
            tool_result, self._failed, (self.server.name,), errbackArgs=(context,)
        )

    def _failed(self, failure: Any, context: IMcpContext) -> Any:
        error = failure.value
        if isinstance(context, CallContext) and context.task is not None:
            return failure  # a task says what its call would have
        if isinstance(error, McpError) and error.code not in _FOR_CLIENTS:
            raise ToolError(f"{self.server.name}: {error.message}")
        return failure


def tool_result(result: Json, server: str) -> ToolResult:
    """Return the result of a tool of ``server``, as clients see it.

    :raises ToolError: if it is not a result.
    """
    if result.get("resultType", "complete") != "complete":  # of an extension it never declared
        raise ToolError(f"{server} sent a result of an unknown type.")
    if result.get("isError") is True:  # an error may repeat credentials
        result = CREDENTIALS.redact_json(result)
    blocks = _objects(result.get("content", []), "tool result")
    return ToolResult(
        prefix_blocks(server, blocks),
        result.get("structuredContent"),
        result.get("isError") is True,
        _meta_of(result, server),
    )


@implementer(IMcpPrompt, IMcpCompleter, IMcpDescribed)
class RelayedPrompt(Struct, frozen=True, eq=False):
    """A prompt of another server."""

    server: RequestSender
    name: str
    title: str
    description: str
    arguments: Sequence[PromptArgument]
    extra: Json

    def get(self, arguments: dict[str, str], context: IMcpContext) -> Any:
        """Get the prompt from the server."""
        params = {"name": self.name, "arguments": arguments}
        result = self.server.send("prompts/get", params, context)
        return result.addCallback(_prompt_result, self.server.name)

    def complete(self, argument: str, value: str, known: Mapping[str, str]) -> Any:
        """Let the server complete an argument."""
        reference = {"type": "ref/prompt", "name": self.name}
        return _complete(self.server, reference, argument, value, known)


def _prompt_result(result: Json, server: str) -> PromptResult:
    messages_ = [_message(one, server) for one in _objects(result.get("messages"), "prompt")]
    return PromptResult(messages_, text(result, "description"), _meta_of(result, server))


def _message(message: Json, server: str) -> Json:
    content = message.get("content")
    if not isinstance(content, Mapping):
        return message
    return {**message, "content": prefix_blocks(server, (content,))[0]}


@implementer(IMcpResource, IMcpDescribed)
class RelayedResource(Struct, frozen=True, eq=False):
    """A resource of another server; ``uri`` is the one that clients see."""

    server: RequestSender
    uri: str
    name: str
    title: str
    description: str
    mime_type: str
    extra: Json

    def read(self, uri: str, context: IMcpContext) -> Any:
        """Read the resource at the server."""
        return _read(self.server, uri, context)


@implementer(IMcpResourceTemplate, IMcpCompleter, IMcpDescribed)
class RelayedTemplate(Struct, frozen=True, eq=False):
    """A resource template of another server; ``uri_template`` is the one that clients see."""

    server: RequestSender
    uri_template: str
    name: str
    title: str
    description: str
    mime_type: str
    extra: Json

    def read(self, uri: str, arguments: dict[str, str], context: IMcpContext) -> Any:
        """Read the resource at the server."""
        return _read(self.server, uri, context)

    def complete(self, argument: str, value: str, known: Mapping[str, str]) -> Any:
        """Let the server complete an argument."""
        uri = original(self.server.name, self.uri_template)
        reference = {"type": "ref/resource", "uri": uri}
        return _complete(self.server, reference, argument, value, known)


def _read(server: RequestSender, uri: str, context: IMcpContext) -> Deferred[Sequence[Json]]:
    result = server.send("resources/read", {"uri": original(server.name, uri)}, context)
    return result.addCallback(_contents, server.name)


def _contents(result: Json, server: str) -> Sequence[Json]:
    return [prefix_contents(server, one) for one in _objects(result.get("contents"), "resource")]


def _complete(
    server: RequestSender, reference: Json, argument: str, value: str, known: Mapping[str, str]
) -> Deferred[Completion]:
    params: dict[str, Any] = {"ref": reference, "argument": {"name": argument, "value": value}}
    if known:
        params["context"] = {"arguments": dict(known)}
    return server.send("completion/complete", params).addCallback(_completion)


def _completion(result: Json) -> Completion:
    found = result.get("completion")
    found = found if isinstance(found, Mapping) else {}
    values, total = found.get("values"), found.get("total")
    known = [one for one in values if isinstance(one, str)] if isinstance(values, list) else []
    count = total if isinstance(total, int) else None
    return Completion(known, count, found.get("hasMore") is True)
