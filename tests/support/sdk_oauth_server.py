"""A protected server made with the official SDK: ``sdk_oauth_server.py SOCKET ORIGIN``.

SOCKET is the number of a file descriptor that listens already.  The server is its own authorization
server, and keeps everything in memory.
"""

from __future__ import annotations

import secrets
import sys
import time
from typing import Any

import uvicorn
from mcp.server.auth.provider import (
    AccessToken,
    AuthorizationCode,
    AuthorizationParams,
    RefreshToken,
    construct_redirect_uri,
)
from mcp.server.auth.settings import AuthSettings, ClientRegistrationOptions, RevocationOptions
from mcp.server.mcpserver import MCPServer
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken

LIFE = 3600


class Provider:
    """Every user consents at once."""

    def __init__(self) -> None:
        self.clients: dict[str, OAuthClientInformationFull] = {}
        self.codes: dict[str, AuthorizationCode] = {}
        self.access: dict[str, AccessToken] = {}
        self.refresh: dict[str, RefreshToken] = {}
        self.resource: str | None = None

    async def get_client(self, client_id: str) -> OAuthClientInformationFull | None:
        return self.clients.get(client_id)

    async def register_client(self, client_info: OAuthClientInformationFull) -> None:
        assert client_info.client_id is not None
        self.clients[client_info.client_id] = client_info

    async def authorize(
        self, client: OAuthClientInformationFull, params: AuthorizationParams
    ) -> str:
        code = secrets.token_hex(20)
        self.resource = params.resource
        self.codes[code] = AuthorizationCode(
            code=code,
            client_id=client.client_id or "",
            redirect_uri=params.redirect_uri,
            redirect_uri_provided_explicitly=params.redirect_uri_provided_explicitly,
            expires_at=time.time() + 300,
            scopes=params.scopes or [],
            code_challenge=params.code_challenge,
            resource=params.resource,
        )
        return construct_redirect_uri(str(params.redirect_uri), code=code, state=params.state)

    async def load_authorization_code(
        self, client: OAuthClientInformationFull, authorization_code: str
    ) -> AuthorizationCode | None:
        return self.codes.get(authorization_code)

    async def exchange_authorization_code(
        self, client: OAuthClientInformationFull, authorization_code: AuthorizationCode
    ) -> OAuthToken:
        del self.codes[authorization_code.code]
        return self._issue(client, authorization_code.scopes)

    async def load_refresh_token(
        self, client: OAuthClientInformationFull, refresh_token: str
    ) -> RefreshToken | None:
        return self.refresh.get(refresh_token)

    async def exchange_refresh_token(
        self, client: OAuthClientInformationFull, refresh_token: RefreshToken, scopes: list[str]
    ) -> OAuthToken:
        del self.refresh[refresh_token.token]
        return self._issue(client, scopes or refresh_token.scopes)

    async def load_access_token(self, token: str) -> AccessToken | None:
        return self.access.get(token)

    async def revoke_token(self, token: AccessToken | RefreshToken) -> None:
        self.access.clear()
        self.refresh.clear()

    def _issue(self, client: OAuthClientInformationFull, scopes: list[str]) -> OAuthToken:
        access, refresh = secrets.token_hex(20), secrets.token_hex(20)
        common: dict[str, Any] = {"client_id": client.client_id, "scopes": scopes}
        expires = int(time.time()) + LIFE
        self.access[access] = AccessToken(
            token=access, expires_at=expires, resource=self.resource, **common
        )
        self.refresh[refresh] = RefreshToken(token=refresh, expires_at=None, **common)
        return OAuthToken(
            access_token=access,
            token_type="Bearer",
            expires_in=LIFE,
            scope=" ".join(scopes),
            refresh_token=refresh,
        )


def main(number: int, origin: str) -> None:
    """Serve on a socket."""
    provider = Provider()
    registration = ClientRegistrationOptions(
        enabled=True, valid_scopes=["user"], default_scopes=["user"]
    )
    settings: dict[str, Any] = {
        "issuer_url": origin,
        "resource_server_url": f"{origin}/mcp",
        "required_scopes": ["user"],
        "validate_token_resource": True,
        "client_registration_options": registration,
        "revocation_options": RevocationOptions(enabled=True),
    }
    server = MCPServer(
        "sdk", log_level="ERROR", auth_server_provider=provider, auth=AuthSettings(**settings)
    )

    @server.tool()
    async def forget() -> str:
        """Forget all access tokens, as if they had expired."""
        provider.access.clear()
        return "forgotten"

    uvicorn.run(server.streamable_http_app(), fd=number, log_level="error")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
