"""What upstreams take and refuse: data by address, and the operator's own on top.

A quirk ``X`` says that an upstream takes something, ``no_X`` that it refuses it.  Encoders ask for
them with :meth:`antigravity.ir.capabilities.Target.takes`.
"""

from __future__ import annotations

import ipaddress
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Final
from urllib.parse import urlsplit

from msgspec import Struct, convert

from antigravity.upstreams.addresses import BaseUrl

_NO: Final = "no_"
#: Other names of quirks that configurations may use.
_SPELLINGS: Final = {"max_tokens": "no_max_completion_tokens"}
_LOCAL_ENDS: Final = (".localhost", ".local", ".lan", ".home", ".internal", ".test")


class AddressRule(Struct, frozen=True, forbid_unknown_fields=True):
    """The quirks of one provider: where it is, what it takes, and which page says so."""

    name: str
    source: str
    quirks: tuple[str, ...]
    hosts: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()

    def matches(self, host: str, port: int | None) -> bool:
        """Return whether the rule is about a server at ``host``."""
        if any(_pattern(each).fullmatch(host) for each in self.hosts):
            return True
        return port in self.ports and is_local(host)


class QuirkTable(Struct, frozen=True):
    """The data file: what each quirk stands for, and the rules in their order."""

    names: dict[str, str]
    address: tuple[AddressRule, ...]

    def at(self, base: BaseUrl) -> tuple[str, ...]:
        """Return the quirks of a server, those of later rules last."""
        parts = urlsplit(base.origin)
        host, port = (parts.hostname or "").lower().rstrip("."), parts.port
        found = (rule.quirks for rule in self.address if rule.matches(host, port))
        return tuple(name for quirks in found for name in quirks)

    def has(self, quirk: str) -> bool:
        """Return whether the gateway knows a quirk: by its name, or as a field to leave out."""
        return quirk in self.names or quirk in _SPELLINGS or quirk.startswith(_NO)

    def describe(self, quirk: str) -> str:
        """Return one phrase that says what a quirk means."""
        known = self.names.get(quirk)
        if known is not None:
            return known
        positive = quirk.removeprefix(_NO)
        if positive != quirk:
            return f"refused: {self.names.get(positive, positive)}"
        return "unknown to the gateway; a plugin may know it"


@cache
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, text.split("*"))))


def is_local(host: str) -> bool:
    """Return whether a host is this machine or one in the same network, by its name alone."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "." not in host or host.endswith(_LOCAL_ENDS)
    return address.is_private or address.is_loopback or address.is_link_local


@cache
def quirk_table() -> QuirkTable:
    """Return the table that comes with the gateway."""
    text = files("antigravity.upstreams").joinpath("quirks.toml").read_text("utf-8")
    data: Mapping[str, Any] = tomllib.loads(text)
    return convert(data, QuirkTable)


def resolve_quirks(own: Iterable[str], bases: Sequence[BaseUrl]) -> frozenset[str]:
    """Return the quirks that hold for an upstream: those of its address, and its ``own`` on top.

    One body goes to all of several addresses, so there only what all take is taken.
    """
    table = quirk_table()
    found: dict[str, bool] = {}
    each = [dict(map(_said, table.at(base))) for base in bases]
    for name in {name for quirks in each for name in quirks}:
        verdicts = [quirks.get(name) for quirks in each]
        if False in verdicts:
            found[name] = False
        elif all(verdicts):
            found[name] = True
    found.update(_said(name) for name in own)
    return frozenset(name if taken else _NO + name for name, taken in found.items())


def _said(quirk: str) -> tuple[str, bool]:
    """Return what a quirk is about, and whether that is taken."""
    quirk = _SPELLINGS.get(quirk, quirk)
    name = quirk.removeprefix(_NO)
    return name, name == quirk
