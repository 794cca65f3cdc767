"""Ask a server what login it requires, or whether it accepts one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace
from twisted.internet.interfaces import IReactorTime

from antigravity.interfaces.mcp_values import McpError
from antigravity.interfaces.transport import IHttpTransport
from antigravity.ir.printable import shorten
from antigravity.mcp.client.errors import LoginRequiredError, McpConnectionError
from antigravity.mcp.client.http_channel import HttpChannel
from antigravity.mcp.client.http_connection import Address
from antigravity.mcp.client.remote_session import RemoteSession
from antigravity.oauth.challenge import Challenge, find_challenge

#: Seconds for the first response.
_PROBE: Final = 10.0


class ProbeResult(Struct, frozen=True):
    """What a server responds to the first requests of a client.

    ``status`` is 401 or 403 if it refuses one of them, with its ``challenge``, if it sends one.
    """

    status: int = 0
    challenge: Challenge | None = None
    tools: int = 0


class _SingleToken:
    """A token that is not renewed."""

    def __init__(self, token: str) -> None:
        self.result: ProbeResult | None = None
        self._token = token

    async def token(self) -> str:
        """Return the token."""
        return self._token

    async def refused(self, token: str, status: int, challenges: Sequence[str]) -> bool:
        """Record the challenge."""
        self.result = ProbeResult(status, find_challenge(challenges))
        raise LoginRequiredError("The server requires a login.")

    def accepted(self, token: str) -> None:
        """Do nothing."""


async def probe(
    transport: IHttpTransport,
    clock: IReactorTime,
    address: Address,
    *,
    token: str = "",
    timeout: float = 60.0,
) -> ProbeResult:
    """Connect to the server at ``address`` with ``token``, and list its tools.

    :raises McpConnectionError: if it cannot be reached, or does not speak MCP.
    """
    authorization = _SingleToken(token)
    own = replace(address, authorization=authorization)
    session = RemoteSession(
        address.name,
        clock,
        lambda receive: HttpChannel(transport, clock, own, receive),
        lambda session, notification: None,
    )
    try:
        await session.initialize(timeout, probe=_PROBE)
        listing = session.request("tools/list", {})
        found = await (listing.addTimeout(timeout, clock) if timeout else listing)
        tools = found.get("tools")
        return ProbeResult(tools=len(tools) if isinstance(tools, list) else 0)
    except LoginRequiredError:
        assert authorization.result is not None
        return authorization.result
    except McpError as error:
        raise McpConnectionError(
            f"{address.name} responds with an error: {shorten(error.message)}"
        ) from None
    finally:
        await session.channel.close()
