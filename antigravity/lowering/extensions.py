"""Reports the extensions of the client's protocol that a target of another protocol lacks."""

from __future__ import annotations

from typing import Final

from antigravity.ir.capabilities import Loss
from antigravity.ir.request import Request

#: Instructions for a server rather than a model: the gateway follows them, or they do not apply.
_FOR_SERVERS: Final = frozenset(
    {"include", "previous_response_id", "safety_identifier", "store", "stream_options"}
)

#: Without these the model misses tools or content, not only a setting.
_CONTENT: Final = frozenset({"mcp_servers", "container", "retrievalConfig"})


def foreign_extensions(request: Request, protocol: str) -> tuple[Loss, ...]:
    """Return the losses of a request that goes to an upstream of ``protocol``.

    A name without a value has no effect, and a name that begins with the protocol's own is for
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
