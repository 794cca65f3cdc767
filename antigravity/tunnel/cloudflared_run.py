"""What is known of one run of cloudflared, from the lines that it has said."""

from __future__ import annotations

from typing import Literal

from antigravity.config.settings import TunnelSettings
from antigravity.logs import make_logger
from antigravity.tunnel.output import (
    Cleaner,
    find_quick_address,
    is_permanent_failure,
    lost_connection,
    origins,
    parse_line,
    registered_connection,
    unknown_tunnel_connection,
)

#: What a line has changed: the tunnel's names, whether it is up, that it never will with this
#: token, or that it never will under this address.
LineEffect = Literal["", "names", "connection", "permanent_failure", "address_gone"]


class CloudflaredRun:
    """Reads the lines of one run for the tunnel of ``settings`` to ``port``.

    :ivar names: under which names the tunnel can be called now.
    :ivar connections: the connections to Cloudflare that stand.
    :ivar reason: the last thing that it complained of.
    :ivar has_output: whether it said anything at all.
    """

    log = make_logger()

    def __init__(self, settings: TunnelSettings, port: int) -> None:
        self._settings = settings
        self._port = port
        self._cleaner = Cleaner(settings.token.reveal())
        self._is_quick = settings.mode == "quick"
        self.names: frozenset[str] = frozenset()
        if not self._is_quick and settings.hostname:
            self.names = frozenset({settings.hostname.lower()})
        self.connections: set[str] = set()
        self.reason = ""
        self.has_output = False

    @property
    def is_up(self) -> bool:
        """Whether clients can come."""
        return bool(self.connections) and bool(self.names or not self._is_quick)

    @property
    def can_keep_trying(self) -> bool:
        """Whether cloudflared, which goes on trying by itself, has come far enough to be left."""
        return bool(self.names) if self._is_quick else self.has_output

    def read(self, raw: str) -> LineEffect:
        """Log a line, learn from it, and return what it has changed."""
        self.has_output = True
        said = parse_line(self._cleaner.clean(raw))
        getattr(self.log, said.level)("cloudflared: {text}", text=said.text)
        if said.is_reason:
            self.reason = said.text
        if not self._is_quick and is_permanent_failure(said.text):
            return "permanent_failure"
        if (
            self._is_quick
            and self.names
            and (connection := unknown_tunnel_connection(said.text)) is not None
        ):
            self.connections.discard(connection)
            return "connection" if self.connections else "address_gone"
        if (connection := registered_connection(said.text)) is not None:
            self.connections.add(connection)
            return "connection"
        if (connection := lost_connection(said.text)) is not None:
            self.connections.discard(connection)
            return "connection"
        return self._read_names(said.text, raw)

    def _read_names(self, text: str, raw: str) -> LineEffect:
        if self._is_quick:
            name = find_quick_address(text)
            if name and not self.names:
                self.names = frozenset({name})
                return "names"
            return ""
        told = origins(raw)  # the whole of it: what is logged may be shortened
        if told is None:
            return ""
        ours = {origin.hostname.lower() for origin in told if self._is_ours(origin.service)}
        if told and not ours:
            self.log.warn(
                "no public name of the tunnel leads here: set its service at Cloudflare to "
                "http://127.0.0.1:{port}",
                port=self._port,
            )
        if self._settings.hostname:
            ours.add(self._settings.hostname.lower())
        self.names = frozenset(ours)
        return "names"

    def _is_ours(self, service: str) -> bool:
        hosts = ("127.0.0.1", "localhost", "[::1]")
        return service in {f"http://{host}:{self._port}" for host in hosts}
