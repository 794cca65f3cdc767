"""Restrictions on requests through the tunnel: they come from the Internet."""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote

from antigravity.ir.errors import NotFoundError
from antigravity.web.authentication import METRICS_PATH
from antigravity.web.host_policy import host_name
from antigravity.web.path_corrections import corrections

#: Paths for the operator, who uses the gateway on this machine.
_PRIVATE: Final = ("/admin/", "/internal/", "/dashboard/", f"{METRICS_PATH}/")


class TunnelAccess:
    """The mark of requests that come through the tunnel.

    A program on this machine forwards them, so their address does not distinguish them.  Therefore
    the tunnel has a port of its own, and each request there is marked with this object.

    :ivar names: the current host names of the tunnel.
    """

    def __init__(self) -> None:
        self.names: frozenset[str] = frozenset()

    def is_tunnel_host(self, host: str | None) -> bool:
        """Return whether a ``Host`` header names the tunnel."""
        return host is not None and host_name(host) in self.names

    def check_path(self, path: str) -> None:
        """Check that a path is not the operator's, however it is spelt.

        :raises NotFoundError: if it is.
        """
        if _is_private(path):
            raise NotFoundError(f"{path[:200]} is not available through the tunnel.")


def _is_private(path: str) -> bool:
    plain = "/" + "/".join(segment for segment in unquote(path).split("/") if segment)
    readings = (plain, *(correction.path for correction in corrections(plain)))
    return any(f"{reading}/".startswith(_PRIVATE) for reading in readings)
