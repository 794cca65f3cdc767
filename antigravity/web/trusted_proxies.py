"""The reverse proxies in front of the gateway, and what they say about clients.

Each proxy appends the address of its own client to a header.  Whatever a client has sent itself is
further left.  Therefore addresses are read from the right, and the first one that is no proxy's is
the client's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from antigravity.config.ip_networks import UNIX_PROXY, in_networks, parse_address, parse_network
from antigravity.config.settings import ProxySettings

#: The most proxies between a client and the gateway.
_MAX_HOPS: Final = 32
#: An address, with brackets and a port or without them.
_NODE: Final = re.compile(
    r"(?:\[([0-9A-Fa-f:.]{2,45})\]|([0-9.]{7,15}))(?::(?:[0-9]{1,5}|_[A-Za-z0-9._-]{1,64}))?"
    r"|([0-9A-Fa-f:.]{2,45})"
)
#: A member of an element of ``Forwarded`` (RFC 7239, 4).
_PAIR: Final = re.compile(r'([A-Za-z0-9!#$%&\'*+.^_`|~-]+)=("?)([^\s"\\]*)\2')
_SCHEMES: Final = ("http", "https")


class ForwardedClient(Struct, frozen=True):
    """A client as trusted proxies describe it; ``""`` is what they do not say.

    ``scheme`` is ``http`` or ``https``, ``host`` the name that the client used, unchecked.
    """

    address: str = ""
    scheme: str = ""
    host: str = ""


class TrustedProxies:
    """The proxies of one snapshot of the settings."""

    def __init__(self, proxy: ProxySettings) -> None:
        entries = proxy.trusted_proxies
        self._networks = tuple(parse_network(each) for each in entries if each != UNIX_PROXY)
        self._trusts_unix = UNIX_PROXY in entries
        self._hops = _forwarded if proxy.forwarded_header == "Forwarded" else _x_forwarded

    def __contains__(self, peer: str | None) -> bool:
        """Return whether an address is a proxy's; ``None`` is a UNIX socket."""
        return self._trusts_unix if peer is None else in_networks(peer, self._networks)

    def find_client(self, peer: str | None, headers: Mapping[str, str]) -> ForwardedClient | None:
        """Return the client of a request, ``None`` if it does not come from a trusted proxy.

        Its address is ``""`` if a trusted proxy names none, or one that is malformed.

        :param peer: the address of the connection.
        :param headers: by names in lower case; repeated ones are joined by commas.
        """
        if peer not in self:
            return None
        nearest = client = ForwardedClient()
        for count, hop in enumerate(self._hops(headers)):
            if not count:
                nearest = hop
            address = _parse_node(hop.address)
            if not address or count == _MAX_HOPS:
                return replace(nearest, address="")
            client = replace(hop, address=address)
            if address not in self:
                break
        return client


def _x_forwarded(headers: Mapping[str, str]) -> Iterator[ForwardedClient]:
    """Yield what ``X-Forwarded-*`` say, that of the nearest proxy first."""
    addresses, schemes, hosts = (
        headers.get(f"x-forwarded-{name}", "").split(",") for name in ("for", "proto", "host")
    )
    count = len(addresses)
    for place in range(1, count + 1):
        scheme, host = (
            values[-place if len(values) == count else -1].strip() for values in (schemes, hosts)
        )
        yield ForwardedClient(addresses[-place].strip(), _scheme(scheme), host)


def _forwarded(headers: Mapping[str, str]) -> Iterator[ForwardedClient]:
    """Yield what the elements of ``Forwarded`` say, that of the nearest proxy first.

    One that has a comma in a quoted string counts as malformed.  Otherwise a quote that a client
    has sent could swallow what proxies append.
    """
    for element in reversed(headers.get("forwarded", "").split(",")):
        found = _parse_element(element)
        yield ForwardedClient(
            found.get("for", ""), _scheme(found.get("proto", "")), found.get("host", "")
        )


def _parse_element(element: str) -> dict[str, str]:
    """Return the members of an element by their names, none if it is malformed."""
    found: dict[str, str] = {}
    for text in filter(None, (each.strip() for each in element.split(";"))):
        pair = _PAIR.fullmatch(text)
        if pair is None or pair[1].lower() in found:
            return {}
        found[pair[1].lower()] = pair[3]
    return found


def _parse_node(text: str) -> str:
    """Return an address without brackets and port, ``""`` if it is malformed."""
    found = _NODE.fullmatch(text)
    if found is None:
        return ""
    try:
        return str(parse_address(found[1] or found[2] or found[3]))
    except ValueError:
        return ""


def _scheme(text: str) -> str:
    return scheme if (scheme := text.lower()) in _SCHEMES else ""
