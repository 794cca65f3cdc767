"""Content that only the protocol or the provider of a request has: checked, converted, reported."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from msgspec.structs import replace

from antigravity.ir.capabilities import Loss
from antigravity.ir.errors import InvalidRequestError, UnreadablePartError
from antigravity.ir.parts import Opaque, Part, Text
from antigravity.ir.request import Message, Request
from antigravity.ir.shared_extensions import is_shared
from antigravity.ir.tools import HostedTool

#: Fields that refer to content stored at the provider, and the alternative for the client.
_STORED: Final = {
    "cachedContent": "send the cached content itself",
    "cached_content": "send the cached content itself",
}
#: Fields that ask the provider for another kind of response, and the alternative.
_OTHER_RESPONSES: Final = {("anthropic", "compaction"): "ask for a summary in a message"}
#: Instructions for a server rather than a model: the gateway follows them, or they do not apply.
_FOR_SERVERS: Final = frozenset(
    {"include", "previous_response_id", "safety_identifier", "store", "stream_options"}
)

#: Without these the model misses tools or content, not only a setting.
_CONTENT: Final = frozenset({"mcp_servers", "container", "retrievalConfig"})


def check_provider_content(request: Request) -> None:
    """Check that a request for another protocol's model refers to no content of its own provider.

    The model could not read files in messages and in the containers of tools, items that OpenAI
    stores, and content that Google caches, and would answer without them.  It would also answer
    instead of compacting, as Anthropic's clients can ask.

    :raises InvalidRequestError: naming the first reference to such content.
    """
    for name, instead in _STORED.items():
        if request.extensions.get(name):
            raise InvalidRequestError(
                f"`{name}` refers to content that only {request.protocol} upstreams keep, and the "
                f"model that serves this request cannot read it: {instead}.",
                param=name,
                code="unsupported_file",
            )
    for (protocol, name), instead in _OTHER_RESPONSES.items():
        if request.protocol == protocol and request.extensions.get(name):
            raise InvalidRequestError(
                f"Only {protocol} upstreams have `{name}`, and another one serves this request: "
                f"{instead}.",
                param=name,
                code="unsupported_parameter",
            )
    for what, identity in _references(request):
        raise UnreadablePartError(
            f"Only {request.protocol} upstreams can read {what}, and another one serves this "
            "request. Send its content instead.",
            value=identity,
            param="messages",
            code="unsupported_file",
        )


def _references(request: Request) -> Iterator[tuple[str, str]]:
    """Yield the type and id of each reference in a request."""
    for message in request.messages:
        for part in message.parts:
            if not isinstance(part, Opaque):
                continue
            if isinstance(file_id := part.wire.get("file_id"), str):
                yield "a file with an id", file_id
            encrypted = part.wire.get("encrypted_content")
            if part.kind == "compaction" and isinstance(encrypted, str):
                yield "this compacted conversation", encrypted
            if part.kind == "item_reference" and isinstance(part.wire.get("id"), str):
                yield "a stored item", part.wire["id"]
    for tool in request.tools:
        container: Any = tool.wire.get("container") if isinstance(tool, HostedTool) else None
        files = container.get("file_ids") if isinstance(container, dict) else None
        if isinstance(files, list):
            yield from (("the files of a tool", each) for each in files if isinstance(each, str))


def with_readable_summaries(request: Request) -> Request:
    """Return the request with readable summaries as text.

    Anthropic's ``compaction`` block replaces all turns before it.
    """
    if not any(_summary(part) for message in request.messages for part in message.parts):
        return request
    return replace(request, messages=tuple(map(_readable, request.messages)))


def _readable(message: Message) -> Message:
    parts: list[Part] = []
    for part in message.parts:
        text = _summary(part)
        parts.append(Text(text) if text else part)
    return replace(message, parts=tuple(parts))


def _summary(part: Part) -> str:
    if not isinstance(part, Opaque) or part.kind != "compaction":
        return ""
    content = part.wire.get("content")
    return content if isinstance(content, str) else ""


def foreign_extensions(request: Request, protocol: str) -> tuple[Loss, ...]:
    """Return the losses of a request that goes to an upstream of ``protocol``.

    A name without a value has no effect, and a name that begins with the protocol's own is for
    pieces of the field behind it.  The encoder of ``protocol`` sends shared ones, or reports them.
    """
    if request.protocol == protocol:
        return ()
    own = f"{request.protocol}."
    return tuple(
        Loss(
            name.removeprefix(own),
            f"dropped: only {request.protocol} has this field",
            content=name in _CONTENT,
        )
        for name, value in request.extensions.items()
        if value
        and name not in _FOR_SERVERS
        and name != request.protocol
        and not is_shared(name, request.protocol, protocol)
    )
