"""The PROXY protocol, in which HAProxy names a client before its requests (``haproxy:`` endpoints).

What it says becomes a hop of the headers in which other proxies name clients, so that there is one
rule for all proxies: it is believed if the proxy is trusted, and the client never counts as local.
"""

from __future__ import annotations

from typing import Any

from antigravity.web.connection.head_parser import ParsedHead

#: Where the transports of ``haproxy:`` endpoints are defined; their class has no public name.
_MODULE = "twisted.protocols.haproxy."
#: The headers to which a hop is appended; only the configured one is read.
_HOPS = {"X-Forwarded-For": "{}", "Forwarded": 'for="{}"'}
#: What proxies write for a client that they do not name (RFC 7239, 6.2).
_UNKNOWN = "unknown"


def has_proxy_protocol(transport: Any) -> bool:
    """Return whether a connection begins with a line of the PROXY protocol."""
    return type(transport).__module__.startswith(_MODULE)


def add_client(parsed: ParsedHead, transport: Any) -> None:
    """Append the client of a connection with the PROXY protocol to the headers of a request."""
    host = getattr(transport.getPeer(), "host", None)
    address = _UNKNOWN if host is None else str(host)
    if ":" in address:
        address = f"[{address}]"
    parsed.fields.extend((name, hop.format(address)) for name, hop in _HOPS.items())
