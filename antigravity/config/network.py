"""Checks whether other machines can reach an endpoint."""

from __future__ import annotations

import re
from typing import Final

from antigravity.config.ip_networks import parse_address

_SEPARATOR: Final = re.compile(r"(?<!\\):")
_SOCKETS: Final = ("tcp", "tcp6", "ssl")


def reaches_network(endpoint: str) -> bool:
    """Return whether other machines may be able to reach a Twisted server endpoint.

    They cannot reach sockets in the file system and ports on loopback.  Endpoints of unknown types
    count as reachable, and so do those for HAProxy, which connects other machines with them.
    """
    kind, *arguments = _SEPARATOR.split(endpoint)
    if kind == "unix" or (kind == "systemd" and "domain=UNIX" in arguments):
        return False
    if kind not in _SOCKETS:
        return True
    named = [a.removeprefix("interface=") for a in arguments if a.startswith("interface=")]
    if not named and kind != "ssl" and len(arguments) > 1 and "=" not in arguments[1]:
        named = [arguments[1]]
    return not named or not is_loopback(named[0].replace("\\", ""))


def is_loopback(host: str) -> bool:
    """Return whether ``host`` is ``localhost`` or a loopback address, in any spelling."""
    if host.lower() == "localhost":
        return True
    try:
        return parse_address(host).is_loopback
    except ValueError:
        return False
