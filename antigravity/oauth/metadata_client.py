"""The HTTP client for metadata, registrations and tokens, with the checks of their addresses."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from twisted.internet.defer import Deferred

from antigravity.interfaces.transport import IHttpTransport, OutgoingRequest
from antigravity.ir.errors import GatewayError, UpstreamError
from antigravity.oauth.addresses import check_address, origin_of
from antigravity.oauth.errors import DiscoveryError
from antigravity.oauth.token_requests import TIMEOUTS
from antigravity.version import USER_AGENT

#: The maximum size of a response in bytes.
MAX_BODY: Final = 512 * 1024


class MetadataClient:
    """A client that never follows redirects.

    :param transport: a transport that does not reach internal addresses but those of ``trusted``.
    :param trusted: the origins that the operator has configured; they need no https.
    """

    def __init__(self, transport: IHttpTransport, trusted: Iterable[str]) -> None:
        self.trusted = frozenset(trusted)
        self._transport = transport

    def close(self) -> Deferred[None]:
        """Return a Deferred that fires when all connections are closed."""
        closing: Deferred[None] = self._transport.close()
        return closing

    async def fetch(self, url: str, what: str) -> bytes | None:
        """Return the body at ``url``, the address of ``what``; ``None`` if there is none.

        :raises DiscoveryError: if the address must not be used, or cannot be reached.
        """
        check_address(url, f"address of the {what}", self.trusted)
        headers = (("user-agent", USER_AGENT), ("accept", "application/json"))
        status, body = await self.send(OutgoingRequest("GET", url, headers, b"", TIMEOUTS))
        if status >= 500:
            raise DiscoveryError(f"{origin_of(url)} responded with {status} for the {what}")
        return body if status == 200 else None

    async def send(self, request: OutgoingRequest) -> tuple[int, bytes]:
        """Return status and body of the response.

        :raises DiscoveryError: if the address cannot be reached.
        """
        try:
            return await self.exchange(request)
        except GatewayError as error:
            raise DiscoveryError(
                f"{origin_of(request.url)} cannot be reached: {error.message}"
            ) from None

    async def exchange(self, request: OutgoingRequest) -> tuple[int, bytes]:
        """Return status and body of the response.

        :raises GatewayError: if there is no response, or a redirect to a request with a body.
        """
        response = await self._transport.send(request)
        status = response.status()
        if 300 <= status < 400:
            response.abort()
            if request.method != "GET":
                raise UpstreamError(f"it redirects ({status}), which is not followed")
            return status, b""
        return status, await response.collect(MAX_BODY)
