"""Arguments and results of MCP tools, prompts and resources.

A value that is a ``Mapping`` is a JSON object of the protocol, so that a relay can pass on what
another server sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct

from antigravity.redaction.credentials import CREDENTIALS

Json = Mapping[str, Any]
LogLevel = Literal["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"]
Role = Literal["user", "assistant"]


class McpError(Exception):
    """A JSON-RPC error.

    :ivar code: one of the protocol's codes; -32602 means that the parameters are not valid.
    :ivar message: the text for the client, without internals and secrets.
    :ivar data: details as JSON.
    """

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        message = CREDENTIALS.redact(message)  # the text may come from another server
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = CREDENTIALS.redact_json(data)


class ToolError(Exception):
    """A tool failed; the model that called it gets the message."""

    def __init__(self, message: str = "") -> None:
        super().__init__(CREDENTIALS.redact(message))  # the text may come from another server


class Text(Struct, frozen=True):
    """Text for a model."""

    text: str
    annotations: Json | None = None


class Image(Struct, frozen=True):
    """An image."""

    data: bytes
    mime_type: str
    annotations: Json | None = None


class Audio(Struct, frozen=True):
    """A recording."""

    data: bytes
    mime_type: str
    annotations: Json | None = None


class ResourceLink(Struct, frozen=True):
    """A link to a resource that the client may read."""

    uri: str
    name: str
    title: str = ""
    description: str = ""
    mime_type: str = ""
    annotations: Json | None = None


class Contents(Struct, frozen=True):
    """Contents of a resource: text or bytes.  An empty ``uri`` stands for the requested one."""

    value: str | bytes
    uri: str = ""
    mime_type: str = ""
    meta: Json | None = None


class Embedded(Struct, frozen=True):
    """A resource as a content part; ``contents.uri`` must be set."""

    contents: Contents
    annotations: Json | None = None


#: One content part; a mapping is passed on unchanged.
Content = Text | Image | Audio | ResourceLink | Embedded | Json


class ToolResult(Struct, frozen=True):
    """The whole result of a tool.  ``structured`` is any JSON value, or ``None``."""

    content: Sequence[Content] = ()
    structured: Any = None
    is_error: bool = False
    meta: Json | None = None


#: The return value of a tool: nothing, text, one or several content parts, or a whole result.
#: Tools with an ``output_schema`` can return only the structured value.
ToolValue = None | str | Content | Sequence[Content] | ToolResult | Any


class PromptArgument(Struct, frozen=True):
    """An argument of a prompt; its value is text."""

    name: str
    description: str = ""
    required: bool = False
    title: str = ""


class PromptMessage(Struct, frozen=True):
    """One message of a prompt."""

    content: Content
    role: Role = "user"


class PromptResult(Struct, frozen=True):
    """The whole result of a prompt."""

    messages: Sequence[PromptMessage | Json]
    description: str = ""
    meta: Json | None = None


#: The return value of a prompt: text of a user message, messages, or a whole result.
PromptValue = str | Sequence[PromptMessage] | PromptResult

#: The return value of a resource.
ResourceValue = str | bytes | Contents | Sequence[Contents | Json]


class Completion(Struct, frozen=True):
    """Suggested values of an argument, the most likely first, and how many there are in total."""

    values: Sequence[str]
    total: int | None = None
    has_more: bool = False


class ClientRequest(Struct, frozen=True):
    """A request of a server to its client, such as ``elicitation/create``."""

    method: Literal["elicitation/create", "sampling/createMessage", "roots/list"]
    params: Json = {}


class TaskSupport(Struct, frozen=True):
    """How the calls of a tool run as tasks.

    ``required``: clients that do not support tasks cannot call the tool; for others it is run
    like any tool.  ``at_once``: a call becomes a task before the tool is called; otherwise when
    the tool calls ``start_task``, so that it can ask the client for input before.  ``ttl`` is
    how many seconds the task is kept, 0 for as long as the gateway allows; ``poll_interval``
    how many seconds clients should wait between two questions about its state.
    """

    required: bool = False
    at_once: bool = True
    ttl: float = 0.0
    poll_interval: float = 1.0


class McpChange(Struct, frozen=True):
    """A change of a catalog: of a list, or of the contents of the resource ``uri``."""

    kind: Literal["tools", "prompts", "resources", "resource"]
    uri: str = ""
