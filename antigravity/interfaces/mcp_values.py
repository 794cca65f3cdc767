"""The values that MCP tools, prompts and resources give and take.

Where a value is a ``Mapping``, it is a JSON object in the protocol's own words; what a relay
got from another server can so be handed on as it is.
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
    """An answer that is a JSON-RPC error.

    :ivar code: one of the protocol's codes; -32602 says that the parameters are at fault.
    :ivar message: for the client; no internals, no secrets.
    :ivar data: more of it, as JSON.
    """

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        message = CREDENTIALS.redact(message)  # it may be another server's
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = CREDENTIALS.redact_json(data)


class ToolError(Exception):
    """A tool could not do what it was asked; the model that called it reads the text."""

    def __init__(self, message: str = "") -> None:
        super().__init__(CREDENTIALS.redact(message))  # it may be another server's


class Text(Struct, frozen=True):
    """Text for a model."""

    text: str
    annotations: Json | None = None


class Image(Struct, frozen=True):
    """A picture."""

    data: bytes
    mime_type: str
    annotations: Json | None = None


class Audio(Struct, frozen=True):
    """Sound."""

    data: bytes
    mime_type: str
    annotations: Json | None = None


class ResourceLink(Struct, frozen=True):
    """The address of something that the client may read."""

    uri: str
    name: str
    title: str = ""
    description: str = ""
    mime_type: str = ""
    annotations: Json | None = None


class Contents(Struct, frozen=True):
    """What a resource holds: text or bytes.  An empty ``uri`` is the one that was read."""

    value: str | bytes
    uri: str = ""
    mime_type: str = ""
    meta: Json | None = None


class Embedded(Struct, frozen=True):
    """A resource within a content; its ``uri`` must be given."""

    contents: Contents
    annotations: Json | None = None


#: One piece of content; a mapping is taken as it is.
Content = Text | Image | Audio | ResourceLink | Embedded | Json


class ToolResult(Struct, frozen=True):
    """All that a tool can answer.  ``structured`` is any JSON value, ``None`` for none."""

    content: Sequence[Content] = ()
    structured: Any = None
    is_error: bool = False
    meta: Json | None = None


#: What a tool may return: nothing, text, a piece of content, several of them, or a whole
#: result.  Tools with an ``output_schema`` may return the structured value alone.
ToolValue = None | str | Content | Sequence[Content] | ToolResult | Any


class PromptArgument(Struct, frozen=True):
    """An argument that a prompt takes; its value is text."""

    name: str
    description: str = ""
    required: bool = False
    title: str = ""


class PromptMessage(Struct, frozen=True):
    """One message of a prompt."""

    content: Content
    role: Role = "user"


class PromptResult(Struct, frozen=True):
    """All that a prompt can answer."""

    messages: Sequence[PromptMessage | Json]
    description: str = ""
    meta: Json | None = None


#: What a prompt may return: text of the user, messages, or a whole result.
PromptValue = str | Sequence[PromptMessage] | PromptResult

#: What a resource may return when it is read.
ResourceValue = str | bytes | Contents | Sequence[Contents | Json]


class Completion(Struct, frozen=True):
    """Values that an argument may have, the likeliest first; ``total`` if more are known."""

    values: Sequence[str]
    total: int | None = None
    has_more: bool = False


class ClientRequest(Struct, frozen=True):
    """Something that a server asks of its client, such as ``elicitation/create``."""

    method: Literal["elicitation/create", "sampling/createMessage", "roots/list"]
    params: Json = {}


class McpChange(Struct, frozen=True):
    """What has changed in a catalog: a list, or the contents of the resource ``uri``."""

    kind: Literal["tools", "prompts", "resources", "resource"]
    uri: str = ""
