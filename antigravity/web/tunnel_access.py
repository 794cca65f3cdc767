"""The way in for who comes through a tunnel: strangers, whatever their requests say."""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote

from antigravity.ir.errors import NotFoundError
from antigravity.web.host_policy import host_name
from antigravity.web.path_corrections import corrections

#: What stands below these is for this machine's own people.
_PRIVATE: Final = ("/admin/", "/internal/")


class TunnelAccess:
    """Knows the names that the tunnel has now.

    A tunnel's requests come from a program on this machine, so their address tells nothing.
    They have a port of their own instead, and all that comes in there is marked with this.
    """

    def __init__(self) -> None:
        self.names: frozenset[str] = frozenset()

    def knows(self, host: str | None) -> bool:
        """Return whether a ``Host`` header names the tunnel."""
        return host is not None and host_name(host) in self.names

    def check_path(self, path: str) -> None:
        """Keep the operator's paths in the house, whichever way they are spelt.

        :raises NotFoundError: for one of them.
        """
        if _is_private(path):
            raise NotFoundError(f"{path[:200]} is not available through the tunnel.")


def _is_private(path: str) -> bool:
    plain = "/" + "/".join(segment for segment in unquote(path).split("/") if segment)
    readings = (plain, *(correction.path for correction in corrections(plain)))
    return any(f"{reading}/".startswith(_PRIVATE) for reading in readings)
