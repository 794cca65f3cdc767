"""The configured key, for connections that are open for long: it only goes to the gateway."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from antigravity.cli.gateway_client import GatewayAddress, NoGatewayError, require_proof
from antigravity.deferreds import call_in_thread
from antigravity.mcp.client.errors import McpConnectionError


class GatewayKey:
    """The key of the gateway, which has to prove before each request that it knows it.

    The gateway may end while the client of the connection still runs, and another program may then
    listen at its address.  See :class:`antigravity.mcp.client.authorization.Authorization`.
    """

    def __init__(self, address: GatewayAddress, key: str) -> None:
        self._address = GatewayAddress(address.host, address.port)
        self._key = key
        self._reactor: Any = None

    def use(self, reactor: Any) -> None:
        """Wait for proofs in the threads of a reactor."""
        self._reactor = reactor

    async def token(self) -> str:
        """Return the key.

        :raises McpConnectionError: if the program that listens does not know it.
        """
        try:
            await call_in_thread(self._reactor, require_proof, self._address, self._key)
        except NoGatewayError as error:
            raise McpConnectionError(f"{error}.") from None
        return self._key

    async def refused(self, token: str, status: int, challenges: Sequence[str]) -> bool:
        """Return that the request is not sent again."""
        return False

    def accepted(self, token: str) -> None:
        """Do nothing: the key does not change."""
