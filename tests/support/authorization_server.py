"""A strict OAuth 2.1 authorization server: what the RFCs forbid, it refuses and records."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_plus, urlencode, urlsplit

from tests.support.oauth_network import Request, Response, unique

#: The characters of a verifier and of a challenge (RFC 7636, 4.1 and 4.2).
VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
LOOPBACK = ("127.0.0.1", "[::1]", "localhost")
PARAMETERS = {
    "client_id",
    "redirect_uri",
    "response_type",
    "scope",
    "state",
    "code_challenge",
    "code_challenge_method",
    "resource",
    "prompt",
}


@dataclass
class Client:
    """A client that the server knows."""

    id: str
    redirect_uris: list[str]
    secret: str = ""
    method: str = "none"


@dataclass
class Code:
    """A code, until it is redeemed; ``family`` names what it led to."""

    client: str
    redirect_uri: str
    challenge: str
    resource: str
    scopes: frozenset[str]
    family: str
    used: bool = False


@dataclass
class Token:
    """An access token or a refresh token."""

    client: str
    resource: str
    scopes: frozenset[str]
    family: str
    expires: float
    used: bool = False


class RefusedError(Exception):
    """A request is refused."""

    def __init__(self, error: str, why: str, status: int = 400) -> None:
        super().__init__(why)
        self.error = error
        self.status = status


@dataclass
class AuthorizationServer:
    """The server with the identifier ``issuer``, for the resources in ``resources``.

    :ivar metadata_paths: where its metadata is; by default where RFC 8414 says.
    :ivar changes: members of the metadata that are different; ``None`` leaves one out.
    :ivar documents: the client id metadata documents that it can fetch.
    :ivar iss: what authorization responses name as ``iss``; empty for nothing.
    :ivar refusals: why requests were refused.
    """

    issuer: str
    resources: set[str]
    now: Callable[[], float]
    lifetime: float | None = 3600.0
    scopes: tuple[str, ...] = ("read", "write")
    default_scopes: tuple[str, ...] = ("read",)
    metadata_paths: tuple[str, ...] = ()
    changes: dict[str, Any] = field(default_factory=dict)
    clients: dict[str, Client] = field(default_factory=dict)
    documents: dict[str, dict[str, Any]] = field(default_factory=dict)
    methods: tuple[str, ...] = ("none", "client_secret_basic", "client_secret_post")
    iss: str | None = None
    denies: bool = False
    refreshes: bool = True
    rotates: bool = True
    registers: bool = True
    fails: int = 0
    refusals: list[str] = field(default_factory=list)
    codes: dict[str, Code] = field(default_factory=dict)
    access: dict[str, Token] = field(default_factory=dict)
    refresh: dict[str, Token] = field(default_factory=dict)
    revoked: set[str] = field(default_factory=set)
    registrations: list[dict[str, Any]] = field(default_factory=list)
    authorizations: list[dict[str, str]] = field(default_factory=list)
    grants: list[dict[str, str]] = field(default_factory=list)
    number: int = 0

    def metadata(self) -> dict[str, Any]:
        """Return its metadata."""
        found = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "revocation_endpoint": f"{self.issuer}/revoke",
            "scopes_supported": list(self.scopes),
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_methods_supported": list(self.methods),
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        }
        if self.registers:
            found["registration_endpoint"] = f"{self.issuer}/register"
        if self.documents:
            found["client_id_metadata_document_supported"] = True
        found |= self.changes
        return {key: value for key, value in found.items() if value is not None}

    def handle(self, request: Request) -> Response:
        """Answer a request."""
        path = request.parts.path
        base = urlsplit(self.issuer).path.rstrip("/")
        paths = self.metadata_paths or (f"/.well-known/oauth-authorization-server{base}",)
        if path in paths and request.method == "GET":
            return json_response(200, self.metadata())
        if self.fails and path.startswith(base):
            self.fails -= 1
            return json_response(503, {"error": "temporarily_unavailable"})
        handlers = {
            ("GET", f"{base}/authorize"): self._authorize,
            ("POST", f"{base}/token"): self._token,
            ("POST", f"{base}/register"): self._register,
            ("POST", f"{base}/revoke"): self._revoke,
        }
        handler = handlers.get((request.method, path))
        if handler is None:
            return json_response(404, {"error": "not_found"})
        try:
            return handler(request)
        except RefusedError as refused:
            self.refusals.append(f"{refused.error}: {refused}")
            return json_response(refused.status, {"error": refused.error})
        except (ValueError, KeyError) as error:
            self.refusals.append(f"malformed: {error!r}")
            return json_response(400, {"error": "invalid_request"})

    def active(self, token: str) -> Token | None:
        """Return an access token that is valid now."""
        found = self.access.get(token)
        if found is None or found.family in self.revoked or found.expires <= self.now():
            return None
        return found

    def revoke_all(self) -> None:
        """End every login."""
        self.revoked |= {token.family for token in (*self.access.values(), *self.refresh.values())}

    def issue(
        self, client: str, resource: str, scopes: frozenset[str], family: str = ""
    ) -> dict[str, Any]:
        """Issue tokens, as the response of the token endpoint; by default for a new login."""
        family = family or self._new("family")
        found: dict[str, Any] = json.loads(self._issue(client, resource, scopes, family).body)
        return found

    def _new(self, kind: str) -> str:
        self.number += 1
        name = f"{kind}-{self.number}-of-{urlsplit(self.issuer).netloc.replace(':', '-')}"
        return name if kind == "client-id" else f"{name}-secret"

    # -- endpoints --

    def _authorize(self, request: Request) -> Response:
        query = unique(request.parts.query)
        client = self._client(query["client_id"])
        redirect_uri = query["redirect_uri"]
        if redirect_uri not in client.redirect_uris:
            # There must be no redirect to an address that is not the client's.
            raise RefusedError("invalid_redirect_uri", redirect_uri)
        try:
            code = self._authorized(query, client)
        except RefusedError as refused:
            self.refusals.append(f"{refused.error}: {refused}")
            return self._back(query, {"error": refused.error})
        self.authorizations.append(query)
        if self.denies:
            return self._back(query, {"error": "access_denied"})
        return self._back(query, {"code": code})

    def _authorized(self, query: Mapping[str, str], client: Client) -> str:
        if unknown := query.keys() - PARAMETERS:
            raise RefusedError("invalid_request", f"unknown parameters {unknown}")
        if query.get("response_type") != "code":
            raise RefusedError("unsupported_response_type", "no code was asked for")
        if query.get("code_challenge_method") != "S256":
            raise RefusedError("invalid_request", "the challenge is not S256")
        if not CHALLENGE.fullmatch(query.get("code_challenge", "")):
            raise RefusedError("invalid_request", "there is no challenge")
        if len(query.get("state", "")) < 16:
            raise RefusedError("invalid_request", "the state can be guessed")
        if query.get("resource") not in self.resources:
            raise RefusedError("invalid_target", f"resource {query.get('resource')}")
        scopes = frozenset(query["scope"].split(" ")) if "scope" in query else None
        if scopes is not None and scopes - set(self.scopes):
            raise RefusedError("invalid_scope", f"{sorted(scopes - set(self.scopes))}")
        code = self._new("code")
        self.codes[code] = Code(
            client.id,
            query["redirect_uri"],
            query["code_challenge"],
            query["resource"],
            frozenset(self.default_scopes) if scopes is None else scopes,
            self._new("family"),
        )
        return code

    def _back(self, query: Mapping[str, str], values: dict[str, str]) -> Response:
        iss = self.issuer if self.iss is None else self.iss
        answer = {**values, **({"iss": iss} if iss else {})}
        if "state" in query:
            answer["state"] = query["state"]
        return Response(302, [("Location", f"{query['redirect_uri']}?{urlencode(answer)}")])

    def _token(self, request: Request) -> Response:
        if request.parts.query:
            raise RefusedError("invalid_request", "parameters in the address")
        form = request.form()
        client = self._authenticated(request, form)
        self.grants.append(form)
        match form["grant_type"]:
            case "authorization_code":
                return self._redeem(form, client)
            case "refresh_token":
                return self._renew(form, client)
        raise RefusedError("unsupported_grant_type", form["grant_type"])

    def _redeem(self, form: Mapping[str, str], client: Client) -> Response:
        code = self.codes.get(form["code"])
        if code is None or code.client != client.id or code.redirect_uri != form["redirect_uri"]:
            raise RefusedError("invalid_grant", "the code is not that of the client")
        if code.used:
            self.revoked.add(code.family)
            raise RefusedError("invalid_grant", "the code was used before")
        code.used = True
        verifier = form["code_verifier"]
        digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest())
        if not VERIFIER.fullmatch(verifier) or digest.rstrip(b"=").decode() != code.challenge:
            raise RefusedError("invalid_grant", "the verifier is wrong")
        if form.get("resource") != code.resource:
            raise RefusedError("invalid_target", f"resource {form.get('resource')}")
        return self._issue(client.id, code.resource, code.scopes, code.family)

    def _renew(self, form: Mapping[str, str], client: Client) -> Response:
        token = self.refresh.get(form["refresh_token"])
        if token is None or token.client != client.id or token.family in self.revoked:
            raise RefusedError("invalid_grant", "the refresh token is not valid")
        if token.used:
            self.revoked.add(token.family)
            raise RefusedError("invalid_grant", "the refresh token was used before")
        if form.get("resource") != token.resource:
            raise RefusedError("invalid_target", f"resource {form.get('resource')}")
        if "scope" in form and frozenset(form["scope"].split(" ")) - token.scopes:
            raise RefusedError("invalid_scope", "more than was granted")
        token.used = self.rotates
        return self._issue(client.id, token.resource, token.scopes, token.family)

    def _issue(self, client: str, resource: str, scopes: frozenset[str], family: str) -> Response:
        access = self._new("access")
        life = 10 * 365 * 86400.0 if self.lifetime is None else self.lifetime
        token = Token(client, resource, scopes, family, self.now() + life)
        self.access[access] = token
        answer: dict[str, Any] = {
            "access_token": access,
            "token_type": "Bearer",
            "scope": " ".join(sorted(scopes)),
        }
        if self.lifetime is not None:
            answer["expires_in"] = self.lifetime
        is_first = not any(each.family == family for each in self.refresh.values())
        if self.refreshes and (self.rotates or is_first):
            refresh = answer["refresh_token"] = self._new("refresh")
            self.refresh[refresh] = Token(client, resource, scopes, family, float("inf"))
        return json_response(200, answer, [("Cache-Control", "no-store")])

    def _revoke(self, request: Request) -> Response:
        form = request.form()
        client = self._authenticated(request, form)
        token = self.access.get(form["token"]) or self.refresh.get(form["token"])
        if token is not None and token.client == client.id:
            self.revoked.add(token.family)
        return Response(200)

    def _register(self, request: Request) -> Response:
        if request.headers.get("content-type") != "application/json":
            raise RefusedError("invalid_client_metadata", "the body is no JSON")
        wanted = json.loads(request.body)
        self.registrations.append(wanted)
        is_native = wanted.get("application_type") == "native"
        for uri in wanted["redirect_uris"]:
            parts = urlsplit(uri)
            is_loopback = parts.scheme == "http" and parts.netloc.rpartition(":")[0] in LOOPBACK
            if parts.fragment or not (is_loopback if is_native else parts.scheme == "https"):
                raise RefusedError("invalid_redirect_uri", uri)
        method = wanted.get("token_endpoint_auth_method", "client_secret_basic")
        if method not in self.methods:
            raise RefusedError("invalid_client_metadata", method)
        if set(wanted["grant_types"]) != {"authorization_code", "refresh_token"}:
            raise RefusedError("invalid_client_metadata", "grant types")
        if wanted["response_types"] != ["code"] or not wanted["client_name"]:
            raise RefusedError("invalid_client_metadata", "response types, name")
        secret = "" if method == "none" else self._new("client")
        client = Client(self._new("client-id"), wanted["redirect_uris"], secret, method)
        self.clients[client.id] = client
        answer = {**wanted, "client_id": client.id, "token_endpoint_auth_method": method}
        if secret:
            answer |= {"client_secret": secret, "client_secret_expires_at": 0}
        return json_response(201, answer)

    # -- clients --

    def _client(self, id: str) -> Client:  # noqa: A002
        if id in self.clients:
            return self.clients[id]
        document = self.documents.get(id)
        if document is None or document["client_id"] != id or not document["client_name"]:
            raise RefusedError("invalid_client", "the client is not known", 401)
        method = document.get("token_endpoint_auth_method", "none")
        return Client(id, document["redirect_uris"], "", method)

    def _authenticated(self, request: Request, form: Mapping[str, str]) -> Client:
        header = request.headers.get("authorization", "")
        if not header:
            client = self._client(form["client_id"])
            method = "client_secret_post" if "client_secret" in form else "none"
            given = form.get("client_secret", "")
        else:
            scheme, _, encoded = header.partition(" ")
            name, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
            client, given = self._client(unquote_plus(name)), unquote_plus(secret)
            method = "client_secret_basic"
            is_other = form.get("client_id", client.id) != client.id
            if scheme != "Basic" or "client_secret" in form or is_other:
                raise RefusedError("invalid_request", "two ways of authentication")
        if method != client.method or given != client.secret:
            raise RefusedError("invalid_client", f"{method} instead of {client.method}", 401)
        return client


def json_response(
    status: int, value: object, headers: list[tuple[str, str]] | None = None
) -> Response:
    """Return a response with a JSON body."""
    common = [("Content-Type", "application/json")]
    return Response(status, [*common, *(headers or [])], json.dumps(value).encode())
