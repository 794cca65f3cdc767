"""The check whether an IP address is on the public Internet."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

#: All networks that the IANA registry does not list as globally reachable, the relay of 6to4, and
#: the address of Azure's metadata service.
_NOT_PUBLIC_V4: Final = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)

#: The only part of IPv6 in public use, and the exceptions within it.
_PUBLIC_V6: Final = ip_network("2000::/3")
_NOT_PUBLIC_V6: Final = tuple(
    ip_network(network) for network in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)

#: Public IPv4 addresses as networks without IPv4 write them (RFC 6052).
_NAT64: Final = ip_network("64:ff9b::/96")


def _is_public_v4(address: IPv4Address) -> bool:
    return not any(address in network for network in _NOT_PUBLIC_V4)


def _is_public_v6(address: IPv6Address) -> bool:
    if address in _NAT64:
        return _is_public_v4(IPv4Address(int(address) & 0xFFFFFFFF))
    return address in _PUBLIC_V6 and not any(address in network for network in _NOT_PUBLIC_V6)


def is_public(text: str) -> bool:
    """Return whether ``text`` is an address on the public Internet.

    Private, loopback, link-local, shared (CGNAT), multicast, documentation and reserved
    addresses are not, nor are the metadata services of clouds, nor IPv4 addresses that are
    mapped into IPv6.  Text that is not an address is not public either.
    """
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if isinstance(address, IPv4Address):
        return _is_public_v4(address)
    return address.scope_id is None and _is_public_v6(address)
