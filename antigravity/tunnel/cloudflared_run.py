"""The state of one run of cloudflared, read from its output."""

from __future__ import annotations

from typing import Literal

from antigravity.config.settings import TunnelSettings
from antigravity.logs import make_logger
from antigravity.tunnel.output import (
    OutputCleaner,
    find_quick_host_name,
    is_permanent_failure,
    lost_connection,
    parse_line,
    parse_origins,
    registered_connection,
    unknown_tunnel_connection,
)

#: The effect of a line: none, new host names, a change of connections, a failure that a restart
#: cannot repair, or the loss of the tunnel's address.
LineEffect = Literal["", "names", "connection", "permanent_failure", "address_gone"]


class CloudflaredRun:
    """One run of cloudflared, for the tunnel of ``settings`` to ``port``.

    :ivar names: the host names of the tunnel.
    :ivar connections: the open connections to Cloudflare.
    :ivar reason: the last error message.
    :ivar has_output: whether it has printed a line.
    """

    log = make_logger()

    def __init__(self, settings: TunnelSettings, port: int) -> None:
        self._settings = settings
        self._port = port
        self._cleaner = OutputCleaner(settings.token.reveal())
        self._is_quick = settings.mode == "quick"
        self.names: frozenset[str] = frozenset()
        if not self._is_quick and settings.hostname:
            self.names = frozenset({settings.hostname.lower()})
        self.connections: set[str] = set()
        self.reason = ""
        self.has_output = False

    @property
    def is_up(self) -> bool:
        """Whether clients can reach the gateway through the tunnel."""
        return bool(self.connections) and bool(self.names or not self._is_quick)

    @property
    def can_keep_trying(self) -> bool:
        """Whether cloudflared will retry by itself."""
        return bool(self.names) if self._is_quick else self.has_output

    def read(self, raw: str) -> LineEffect:
        """Log a line, and return its effect."""
        self.has_output = True
        line = parse_line(self._cleaner.clean(raw))
        getattr(self.log, line.level)("cloudflared: {text}", text=line.text)
        if line.is_reason:
            self.reason = line.text
        if not self._is_quick and is_permanent_failure(line.text):
            return "permanent_failure"
        if (
            self._is_quick
            and self.names
            and (connection := unknown_tunnel_connection(line.text)) is not None
        ):
            self.connections.discard(connection)
            return "connection" if self.connections else "address_gone"
        if (connection := registered_connection(line.text)) is not None:
            self.connections.add(connection)
            return "connection"
        if (connection := lost_connection(line.text)) is not None:
            self.connections.discard(connection)
            return "connection"
        return self._read_names(line.text, raw)

    def _read_names(self, text: str, raw: str) -> LineEffect:
        if self._is_quick:
            name = find_quick_host_name(text)
            if name and not self.names:
                self.names = frozenset({name})
                return "names"
            return ""
        origins_found = parse_origins(raw)  # not the cleaned line, which may be cut
        if origins_found is None:
            return ""
        own_names = {
            origin.hostname.lower()
            for origin in origins_found
            if self._is_own_service(origin.service)
        }
        if origins_found and not own_names:
            self.log.warn(
                "no host name of the tunnel is routed to this gateway: set its service "
                "at Cloudflare to http://127.0.0.1:{port}",
                port=self._port,
            )
        if self._settings.hostname:
            own_names.add(self._settings.hostname.lower())
        self.names = frozenset(own_names)
        return "names"

    def _is_own_service(self, service: str) -> bool:
        hosts = ("127.0.0.1", "localhost", "[::1]")
        return service in {f"http://{host}:{self._port}" for host in hosts}
