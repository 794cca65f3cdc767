"""IP addresses and networks of clients, as settings and rules of keys name them."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Network = IPv4Network | IPv6Network

#: The entry of ``proxy.trusted_proxies`` for proxies that connect to a UNIX socket.
UNIX_PROXY: Final = "unix"


def parse_address(text: str) -> IPv4Address | IPv6Address:
    """Return an address without its zone; an IPv4 address in IPv6 becomes IPv4.

    :raises ValueError: if it is not an address.
    """
    address = ip_address(text)
    if isinstance(address, IPv6Address):
        return address.ipv4_mapped or IPv6Address(int(address))
    return address


def parse_network(text: str) -> Network:
    """Return a network, or an address as one.

    :raises ValueError: if it is neither.
    """
    try:
        network: Network = ip_network(text.strip(), strict=False)
    except ValueError:
        raise ValueError(f"{text!r} is not an address or a network such as 10.0.0.0/8") from None
    return network


def in_networks(address: str, networks: tuple[Network, ...]) -> bool:
    """Return whether an address is in one of the networks; a name never is."""
    try:
        found = parse_address(address)
    except ValueError:
        return False
    return any(found in each for each in networks if each.version == found.version)


def client_network(address: str) -> str:
    """Return what counts as one client: an address, or 64 bits of IPv6."""
    try:
        found = parse_address(address)
    except ValueError:
        return address[:64]
    return str(IPv6Network((found, 64), strict=False) if found.version == 6 else found)
