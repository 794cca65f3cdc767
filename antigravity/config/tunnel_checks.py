"""Checks of the tunnel settings beyond their types."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from antigravity.config.errors import Problem
from antigravity.config.paths import KeyPath
from antigravity.config.settings import TunnelSettings

_TOKEN: Final = re.compile(r"[A-Za-z0-9+/_-]{16,4096}={0,2}")
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST_NAME: Final = re.compile(rf"(?=.{{1,253}}$)(?:{_LABEL}\.)+{_LABEL}")


def tunnel_check(tunnel: TunnelSettings, mode: str) -> Iterator[tuple[KeyPath, Problem]]:
    """Yield each problem in ``tunnel``; ``mode`` is the authentication's."""
    if tunnel.token and not _TOKEN.fullmatch(tunnel.token.reveal()):
        yield ("tunnel", "token"), Problem("this is not a tunnel token, which is one long word")
    if tunnel.hostname and not _HOST_NAME.fullmatch(tunnel.hostname):
        problem = Problem("this is not a valid host name", allowed=("such as llm.example.org",))
        yield ("tunnel", "hostname"), problem
    if tunnel.mode == "token":
        if not tunnel.token:
            yield ("tunnel", "token"), Problem('it is empty, and mode "token" requires it')
        if not tunnel.origin_port:
            message = 'mode "token" requires a fixed port, which Cloudflare connects to'
            yield ("tunnel", "origin_port"), Problem(message, allowed=("such as 8046",))
    if tunnel.enabled and mode == "off" and not tunnel.insecure:
        message = "the tunnel will not start while authentication is off (proxy.auth_mode)"
        yield ("tunnel", "enabled"), Problem(message, severity="warning")
