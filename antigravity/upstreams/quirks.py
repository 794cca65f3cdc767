"""Quirks of upstreams: from a data file by address, and from the settings.

A quirk ``X`` says that an upstream accepts something, ``no_X`` that it refuses it.  Encoders read
them with :meth:`antigravity.ir.capabilities.Target.accepts`.
"""

from __future__ import annotations

import ipaddress
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Final
from urllib.parse import urlsplit

from msgspec import Struct, convert

from antigravity.upstreams.addresses import BaseUrl

_NO: Final = "no_"
#: Aliases of quirks in configurations.
_SPELLINGS: Final = {"max_tokens": "no_max_completion_tokens"}
_LOCAL_ENDS: Final = (".localhost", ".local", ".lan", ".home", ".internal", ".test")


class AddressRule(Struct, frozen=True, forbid_unknown_fields=True):
    """The quirks of one provider: its hosts, and the page that documents them."""

    name: str
    source: str
    quirks: tuple[str, ...]
    hosts: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()

    def matches(self, host: str, port: int | None) -> bool:
        """Return whether the rule applies to a server at ``host``."""
        if any(_matches(each, host) for each in self.hosts):
            return True
        return port in self.ports and is_local(host)


class QuirkTable(Struct, frozen=True):
    """The data file: descriptions of the quirks, and the rules in their order."""

    names: dict[str, str]
    address: tuple[AddressRule, ...]

    def at(self, base: BaseUrl) -> tuple[str, ...]:
        """Return the quirks of a server, those of later rules last."""
        parts = urlsplit(base.origin)
        host, port = (parts.hostname or "").lower().rstrip("."), parts.port
        lists = (rule.quirks for rule in self.address if rule.matches(host, port))
        return tuple(name for quirks in lists for name in quirks)

    def has(self, quirk: str) -> bool:
        """Return whether a quirk is known, by its name or as a field to omit."""
        return quirk in self.names or quirk in _SPELLINGS or quirk.startswith(_NO)

    def describe(self, quirk: str) -> str:
        """Return a short description of a quirk."""
        description = self.names.get(quirk)
        if description is not None:
            return description
        positive = quirk.removeprefix(_NO)
        if positive != quirk:
            return f"refused: {self.names.get(positive, positive)}"
        return "unknown to the gateway; a plugin may know it"


def _matches(pattern: str, host: str) -> bool:
    """Return whether a host has the name that a pattern with at most one ``*`` describes."""
    head, star, tail = pattern.partition("*")
    if not star:
        return host == pattern
    return len(host) >= len(head) + len(tail) and host.startswith(head) and host.endswith(tail)


def is_local(host: str) -> bool:
    """Return whether the name of a host is that of this machine or the local network."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "." not in host or host.endswith(_LOCAL_ENDS)
    return address.is_private or address.is_loopback or address.is_link_local


@cache
def quirk_table() -> QuirkTable:
    """Return the shipped table."""
    text = files("antigravity.upstreams").joinpath("quirks.toml").read_text("utf-8")
    data: Mapping[str, Any] = tomllib.loads(text)
    return convert(data, QuirkTable)


def resolve_quirks(own: Iterable[str], bases: Sequence[BaseUrl]) -> frozenset[str]:
    """Return the quirks of an upstream: those of its addresses, overridden by its ``own``.

    Several addresses get the same body, so only what all of them accept is accepted.
    """
    table = quirk_table()
    found: dict[str, bool] = {}
    each = [dict(map(_parse, table.at(base))) for base in bases]
    for name in {name for quirks in each for name in quirks}:
        accepted = [quirks.get(name) for quirks in each]
        if False in accepted:
            found[name] = False
        elif all(accepted):
            found[name] = True
    found.update(_parse(name) for name in own)
    return frozenset(name if accepted else _NO + name for name, accepted in found.items())


def _parse(quirk: str) -> tuple[str, bool]:
    """Return the subject of a quirk, and whether it is accepted."""
    quirk = _SPELLINGS.get(quirk, quirk)
    name = quirk.removeprefix(_NO)
    return name, name == quirk
