"""A client for the suite's scenarios: ``login_client.py URL`` logs in as often as is needed.

It is made of the parts that the gateway and its commands use.  The browser is a request whose
redirect is not followed.  The suite passes the scenario and its data in environment variables.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from msgspec.structs import replace
from twisted.internet import reactor
from twisted.internet.task import react

from antigravity.config.secret import Secret
from antigravity.deferreds import call_in_thread
from antigravity.interfaces.mcp_values import McpError
from antigravity.interfaces.transport import OutgoingRequest
from antigravity.mcp.client.errors import McpConnectionError
from antigravity.mcp.client.http_channel import HttpChannel
from antigravity.mcp.client.http_connection import Address
from antigravity.mcp.client.login_probe import probe
from antigravity.mcp.client.remote_session import RemoteSession
from antigravity.mcp.client.server_login import ServerLogin
from antigravity.oauth.access_tokens import AccessTokens
from antigravity.oauth.authorization_code import code_in
from antigravity.oauth.errors import LoginError
from antigravity.oauth.grants import GrantFile
from antigravity.oauth.login import Login
from antigravity.oauth.metadata_client import MetadataClient
from antigravity.oauth.registration import OAuthClientSettings
from antigravity.transport.client import HttpTransport

NAME: Final = "suite"
REDIRECT: Final = "http://127.0.0.1:8912/oauth2/callback"
DOCUMENT: Final = "https://conformance-test.local/client-metadata.json"
#: As often as the command asks the user during one login.
MOST_LOGINS: Final = 3


class LocalOrigins(frozenset[str]):
    """The origins of this machine, where the suite's servers are."""

    def __contains__(self, origin: object) -> bool:
        return isinstance(origin, str) and urlsplit(origin).hostname in ("localhost", "127.0.0.1")


class LoginClient:
    """A client of the server at ``url``, whose login is stored in ``home``."""

    def __init__(self, clock: Any, transport: HttpTransport, url: str, home: Path) -> None:
        context = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT") or "{}")
        self._oauth = OAuthClientSettings(
            context.get("client_id", ""),
            Secret(context.get("client_secret", "")),
            DOCUMENT,
            context.get("issuer", ""),
        )
        self._clock = clock
        self._transport = transport
        self._address = Address(NAME, url, timeout=20.0)
        self._file = GrantFile(home, NAME)
        self._requests = MetadataClient(transport, ())
        self._requests.trusted = LocalOrigins()
        tokens = AccessTokens(
            url,
            self._file,
            self._requests,
            self._oauth,
            clock,
            time.time,
            partial(call_in_thread, clock),
        )
        self._login = ServerLogin(NAME, tokens, clock, time.time)

    async def run(self) -> None:
        """List the tools and call them twice; log in when the server requires it."""
        logins = 0
        while True:
            try:
                await self._talk()
                return
            except McpConnectionError as error:
                if error.http_status not in (401, 403) or logins == MOST_LOGINS:
                    raise
                print(error.message, file=sys.stderr)
                logins += 1
                await self._log_in()

    async def _talk(self) -> None:
        address = replace(self._address, authorization=self._login)
        session = RemoteSession(
            NAME,
            self._clock,
            lambda receive: HttpChannel(self._transport, self._clock, address, receive),
            lambda session, notification: None,
        )
        try:
            await session.initialize(20.0, probe=10.0)
            tools = (await session.request("tools/list", {}))["tools"]
            for tool in [*tools, *tools][:2] or [{"name": "test-tool"}]:
                try:
                    await session.request("tools/call", {"name": tool["name"], "arguments": {}})
                except McpError as error:
                    print(error.message, file=sys.stderr)
        finally:
            await session.channel.close()

    async def _log_in(self) -> None:
        found = await probe(self._transport, self._clock, self._address, timeout=20.0)
        earlier = self._file.read()
        login = Login(self._address.url, self._oauth, earlier, time.time)
        await login.discover(self._requests, found.challenge)
        request = await login.authorize(self._requests, found.challenge, REDIRECT)
        response = await self._transport.send(OutgoingRequest("GET", request.url, ()))
        location = response.headers().get("location", "")
        response.abort()
        code = code_in(urlsplit(location).query, request)
        self._file.write(await login.redeem(self._requests, request, code))


async def main(clock: Any, url: str) -> None:
    """Run the client; failures are the text of ``SystemExit``."""
    transport = HttpTransport(clock)
    with tempfile.TemporaryDirectory() as home:
        try:
            await LoginClient(clock, transport, url, Path(home)).run()
        except (LoginError, McpConnectionError, McpError) as error:
            raise SystemExit(str(error)) from None
        finally:
            await transport.close()


if __name__ == "__main__":
    react(main, sys.argv[1:], _reactor=reactor)
