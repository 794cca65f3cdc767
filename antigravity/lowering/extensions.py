"""Name what only the client's own protocol knows, so that a target of another never hears of it."""

from __future__ import annotations

from typing import Final

from antigravity.ir.capabilities import Loss
from antigravity.ir.request import Request

#: What clients tell a server to do, not a model: the gateway does it, or it is about nothing.
_FOR_SERVERS: Final = frozenset(
    {"include", "previous_response_id", "safety_identifier", "store", "stream_options"}
)

#: Without these the model misses tools or content, not only a setting.
_CONTENT: Final = frozenset({"mcp_servers", "container", "retrievalConfig"})


def foreign_extensions(request: Request, protocol: str) -> tuple[Loss, ...]:
    """Return the losses of a request that goes to an upstream of ``protocol``.

    A name without value says nothing, and one that begins with the protocol's own is about
    pieces of the field behind it.
    """
    if request.protocol == protocol:
        return ()
    own = f"{request.protocol}."
    return tuple(
        Loss(
            name.removeprefix(own),
            f"only {request.protocol} knows this; it was left out",
            content=name in _CONTENT,
        )
        for name, value in request.extensions.items()
        if value and name not in _FOR_SERVERS and name != request.protocol
    )
