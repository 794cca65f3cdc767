"""A protected MCP server of the stateless revision, which takes only the tokens made for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tests.support.authorization_server import AuthorizationServer, Token, json_response
from tests.support.oauth_network import Request, Response

WELL_KNOWN = "/.well-known/oauth-protected-resource"
#: The tools and the scope that each needs.
TOOLS = {"echo": "read", "store": "write"}


@dataclass
class ProtectedServer:
    """The server at ``url``, whose tokens ``authorization`` issues.

    :ivar metadata_path: where its metadata is, empty for nowhere.
    :ivar names_metadata: whether challenges name it.
    :ivar names_scopes: whether challenges name scopes.
    :ivar changes: members of the metadata that are different; ``None`` leaves one out.
    :ivar more_challenges: challenges that come before its own.
    :ivar open_methods: methods that need no token.
    :ivar calls: the tokens with which tools were called.
    """

    url: str
    authorization: AuthorizationServer
    metadata_path: str = ""
    names_metadata: bool = True
    names_scopes: bool = True
    changes: dict[str, Any] = field(default_factory=dict)
    more_challenges: list[str] = field(default_factory=list)
    open_methods: tuple[str, ...] = ()
    listing_scope: str = "read"
    distrusts: set[str] = field(default_factory=set)
    on_token: Callable[[str], None] = lambda token: None
    calls: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        self.origin = f"{parts.scheme}://{parts.netloc}"
        self.metadata_path = self.metadata_path or f"{WELL_KNOWN}{parts.path}"

    def metadata(self) -> dict[str, Any]:
        """Return its metadata."""
        found = {
            "resource": self.url,
            "authorization_servers": [self.authorization.issuer],
            "scopes_supported": ["read"],
            "bearer_methods_supported": ["header"],
        }
        found |= self.changes
        return {key: value for key, value in found.items() if value is not None}

    def handle(self, request: Request) -> Response:
        """Answer a request."""
        self.requests.append(request)
        parts = request.parts
        if request.method == "GET" and parts.path == self.metadata_path:
            return json_response(200, self.metadata())
        if parts.path != urlsplit(self.url).path or request.method != "POST":
            return json_response(404, {"error": "not_found"})
        if "token" in parts.query:
            return self._refuse(400, "a token in the address")
        message = json.loads(request.body)
        method, params = message["method"], message.get("params", {})
        if method in self.open_methods:
            return self._answer(message, params)
        authorization = request.headers.get("authorization")
        if authorization is None:
            return self._challenge(401)
        scheme, _, text = authorization.partition(" ")
        token = self.authorization.active(text)
        if scheme != "Bearer" or token is None or text in self.distrusts:
            return self._challenge(401, error="invalid_token")
        if token.resource != self.metadata()["resource"]:
            self.refusals.append(f"a token for {token.resource}")
            return self._challenge(401, error="invalid_token")
        self.on_token(text)
        return self._permitted(message, params, token, text)

    def _permitted(
        self, message: dict[str, Any], params: dict[str, Any], token: Token, text: str
    ) -> Response:
        needed = self.listing_scope
        if message["method"] == "tools/call":
            needed = TOOLS[params["name"]]
            self.calls.append(text)
        if needed not in token.scopes:
            return self._challenge(403, error="insufficient_scope", scope=needed)
        return self._answer(message, params)

    def _answer(self, message: dict[str, Any], params: dict[str, Any]) -> Response:
        if "id" not in message:
            return Response(202)
        result: dict[str, Any] = {}
        match message["method"]:
            case "server/discover":
                result = {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}}
            case "tools/list":
                schema = {"type": "object"}
                result = {"tools": [{"name": name, "inputSchema": schema} for name in TOOLS]}
            case "tools/call":
                text = json.dumps(params["arguments"])
                result = {"content": [{"type": "text", "text": text}]}
            case _:
                error = {"code": -32601, "message": "not found"}
                return json_response(200, {"jsonrpc": "2.0", "id": message["id"], "error": error})
        result["resultType"] = "complete"
        return json_response(200, {"jsonrpc": "2.0", "id": message["id"], "result": result})

    def _challenge(self, status: int, **parameters: str) -> Response:
        if self.names_scopes:
            parameters.setdefault("scope", self.listing_scope)
        else:
            parameters.pop("scope", None)
        if self.names_metadata:
            parameters["resource_metadata"] = f"{self.origin}{self.metadata_path}"
        text = ", ".join(f'{name}="{value}"' for name, value in parameters.items())
        challenges = [*self.more_challenges, f"Bearer {text}".rstrip()]
        headers = [("WWW-Authenticate", each) for each in challenges]
        return json_response(status, {"error": parameters.get("error", "")}, headers)

    def _refuse(self, status: int, why: str) -> Response:
        self.refusals.append(why)
        return json_response(status, {"error": why})
