"""Checks for content that only one provider stores."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from antigravity.ir.errors import InvalidRequestError, UnreadablePartError
from antigravity.ir.parts import Opaque
from antigravity.ir.request import Request
from antigravity.ir.tools import HostedTool

#: Fields that refer to content stored at the provider, and the alternative for the client.
_STORED: Final = {
    "cachedContent": "send the cached content itself",
    "cached_content": "send the cached content itself",
}


def check_provider_content(request: Request) -> None:
    """Check that a request for another protocol's model refers to no content of its own provider.

    The model could not read files in messages and in the containers of tools, items that OpenAI
    stores, and content that Google caches, and would answer without them.

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
            if part.kind == "item_reference" and isinstance(part.wire.get("id"), str):
                yield "a stored item", part.wire["id"]
    for tool in request.tools:
        container: Any = tool.wire.get("container") if isinstance(tool, HostedTool) else None
        files = container.get("file_ids") if isinstance(container, dict) else None
        if isinstance(files, list):
            yield from (("the files of a tool", each) for each in files if isinstance(each, str))
