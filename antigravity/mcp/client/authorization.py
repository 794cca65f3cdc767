"""The authorization of requests to a server, as connections need it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Authorization(Protocol):
    """A source of access tokens for one server."""

    async def token(self) -> str:
        """Return the token to send, empty to send none.

        :raises GatewayError: if there should be one, but there is none.
        """

    async def refused(self, token: str, status: int, challenges: Sequence[str]) -> bool:
        """Handle a refusal of a request with ``token``; return whether to send it again.

        :param status: the status of the response, 401 or 403.
        :param challenges: the values of ``WWW-Authenticate``.
        :raises LoginRequiredError: if the server requires a new login.
        :raises McpConnectionError: if the login does not permit the request.
        """

    def accepted(self, token: str) -> None:
        """Record that the server has accepted a request with ``token``."""
