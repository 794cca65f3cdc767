"""Code Assist as an upstream: tokens, projects, envelopes, and several addresses."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Final, TypeVar

import msgspec
from twisted.internet.defer import Deferred
from zope.interface import implementer

from antigravity.config.errors import ConfigurationError
from antigravity.config.settings import UpstreamSettings
from antigravity.interfaces.quota import IQuotaSource, Quota
from antigravity.interfaces.transport import OutgoingRequest
from antigravity.interfaces.upstreams import Credential, IRenewingUpstream, UpstreamOperation
from antigravity.ir.call import Body
from antigravity.ir.capabilities import Model
from antigravity.ir.errors import GatewayError, UnavailableError, UpstreamCredentialError
from antigravity.upstreams.addresses import bases_of, proxy_of
from antigravity.upstreams.base import extra_headers, for_whole_response, timeouts_of
from antigravity.upstreams.codeassist import envelope
from antigravity.upstreams.codeassist.discovery import ProjectDiscovery
from antigravity.upstreams.codeassist.endpoints import DEFAULT_BASE_URLS, path_of
from antigravity.upstreams.codeassist.models import decode_models
from antigravity.upstreams.codeassist.oauth import AccessTokens
from antigravity.upstreams.codeassist.quota import read_quota
from antigravity.upstreams.metadata import fetch_first
from antigravity.upstreams.next_address import should_try_next_address
from antigravity.upstreams.services import UpstreamServices
from antigravity.version import USER_AGENT

Result = TypeVar("Result")

PROTOCOL: Final = "gemini"
_BEARER: Final = "Bearer "

#: The client type in requests; ``upstreams.NAME.options.ide_type`` replaces it.
DEFAULT_IDE_TYPE: Final = "IDE_UNSPECIFIED"

_METHODS: Final[Mapping[UpstreamOperation, tuple[str, str]]] = {
    "generate": ("generateContent", ""),
    "stream": ("streamGenerateContent", "alt=sse"),
    "count_tokens": ("countTokens", ""),
    "list_models": ("fetchAvailableModels", ""),
}


@implementer(IRenewingUpstream, IQuotaSource)
class CodeAssistUpstream:
    """Code Assist with OAuth accounts; the secret of a credential is its refresh token.

    The project is that of the credential (``extra["project"]``), else the configured one, else the
    one that the service reports.
    """

    kind = "codeassist"
    protocols = (PROTOCOL,)

    def __init__(self, settings: UpstreamSettings, services: UpstreamServices) -> None:
        self.name = services.name
        # The service's own clients stream every response.
        own = () if "whole_responses" in settings.quirks else ("no_whole_responses",)
        self.quirks = frozenset((*settings.quirks, *own, self.kind))
        self._settings = settings
        self._services = services
        self._bases = bases_of(settings, services.name, DEFAULT_BASE_URLS)
        self._timeouts = timeouts_of(settings, services)
        self._whole_timeouts = for_whole_response(self._timeouts)
        self._proxy = proxy_of(settings, services.name)
        self._extra = tuple(extra_headers(settings, services.name).items())
        self._tokens = AccessTokens(settings.oauth, services, self._proxy)
        ide_type = settings.options.get("ide_type", DEFAULT_IDE_TYPE)
        if not isinstance(ide_type, str):
            raise ConfigurationError(
                "this must be text", key=f"upstreams.{self.name}.options.ide_type"
            )
        self._metadata = {"ideType": ide_type}
        self._discovery = ProjectDiscovery(self._call, services.clock, self.name, self._metadata)

    def prepare(
        self,
        operation: UpstreamOperation,
        protocol: str,
        model: str,
        body: Body,
        credential: Credential,
        headers: Mapping[str, str],
    ) -> Sequence[OutgoingRequest] | Deferred[Sequence[OutgoingRequest]]:
        """Return one request for each base address, or a Deferred if a token is missing.

        :raises UnavailableError: if the upstream does not speak the protocol.
        """
        if protocol != PROTOCOL:
            raise UnavailableError(f"upstream {self.name} has no {operation} in {protocol}")
        whole = body if isinstance(body, bytes) else b"".join(body)
        token, project = self._tokens.current(credential), self._known_project(credential)
        if operation == "count_tokens":
            project = project or ""  # it is not sent
        if token is not None and project is not None:
            return self._prepared(operation, model, whole, credential, token, project)
        return Deferred.fromCoroutine(self._prepare(operation, model, whole, credential))

    def try_next(self, error: GatewayError) -> bool:
        """Return whether the next base address should be tried."""
        return should_try_next_address(error)

    def unwrap(self, payload: bytes) -> bytes:
        """Return the Gemini object in ``payload``."""
        return envelope.unwrap(payload)

    def wraps(self) -> bool:
        """Return ``True``: responses have an envelope."""
        return True

    def passes(self, protocol: str, operation: UpstreamOperation, body: bytes = b"") -> bool:
        """Return whether a Gemini body can be put into the envelope unchanged.

        A body with raw JSON schemas cannot, since the service does not support those fields.
        """
        if protocol != PROTOCOL or operation == "list_models":
            return False
        return operation == "count_tokens" or not envelope.has_raw_schema(body)

    def refused(self, error: GatewayError, credential: Credential) -> None:
        """Drop the cached access token."""
        self._tokens.refused(credential)

    def renews(self, request: OutgoingRequest, credential: Credential) -> bool:
        """Drop the access token of a request that got a 401, so that the next one is new."""
        for name, value in request.headers:
            if name.lower() == "authorization" and value.startswith(_BEARER):
                return self._tokens.renews(credential, value.removeprefix(_BEARER))
        return False

    def accepted(self, credential: Credential) -> None:
        """Record that the access token works."""
        self._tokens.accepted(credential)

    def models(self, credential: Credential) -> Deferred[Sequence[Model]]:
        """Return a Deferred that fires with the models of the account."""
        return Deferred.fromCoroutine(self._models(credential))

    def quota(self, credential: Credential) -> Deferred[Quota]:
        """Return a Deferred that fires with the quotas of the account."""
        return Deferred.fromCoroutine(self._quota(credential))

    async def _quota(self, credential: Credential) -> Quota:
        async def ask_both(token: str) -> Quota:
            available = await self._available(credential, token)
            body = msgspec.json.encode({"metadata": self._metadata})
            assist = await self._call("loadCodeAssist", body, token)
            return read_quota(assist, available, self._services.clock.seconds())

        return await self._with_token(credential, ask_both)

    async def _models(self, credential: Credential) -> Sequence[Model]:
        return decode_models(
            await self._with_token(credential, partial(self._available, credential))
        )

    async def _available(self, credential: Credential, token: str) -> bytes:
        project = await self._project(credential, token)
        method, query = _METHODS["list_models"]
        body = msgspec.json.encode({"project": project})
        return await self._ask(self._requests(method, query, body, token))

    async def _with_token(
        self, credential: Credential, use: Callable[[str], Awaitable[Result]]
    ) -> Result:
        """Call ``use`` with a token, and again with a new token after a 401; return its result.

        :raises GatewayError: if ``use`` does.
        """
        token = await self._tokens.token(credential)
        try:
            return await use(token)
        except UpstreamCredentialError as error:
            if error.upstream_status != 401 or not self._tokens.renews(credential, token):
                raise
        result = await use(await self._tokens.token(credential))
        self._tokens.accepted(credential)
        return result

    async def _prepare(
        self,
        operation: UpstreamOperation,
        model: str,
        body: bytes,
        credential: Credential,
    ) -> Sequence[OutgoingRequest]:
        """Return the requests, once there are a token and a project."""

        async def find_project(token: str) -> tuple[str, str]:
            return token, await self._project(credential, token)

        if operation == "count_tokens":
            token, project = await self._tokens.token(credential), ""
        else:
            token, project = await self._with_token(credential, find_project)
        return self._prepared(operation, model, body, credential, token, project)

    def _prepared(
        self,
        operation: UpstreamOperation,
        model: str,
        body: bytes,
        credential: Credential,
        token: str,
        project: str,
    ) -> Sequence[OutgoingRequest]:
        if operation == "count_tokens":
            wrapped = envelope.wrap_count(body)
        elif operation == "list_models":
            wrapped = msgspec.json.encode({"project": project})
        else:
            wrapped = self._wrap(body, model, project, credential)
        method, query = _METHODS[operation]
        return self._requests(method, query, wrapped, token)

    def _known_project(self, credential: Credential) -> str | None:
        """Return the project of a credential, ``None`` if the service was not asked yet."""
        project = credential.extra.get("project") or self._settings.project
        return project or self._discovery.known(credential)

    async def _project(self, credential: Credential, token: str) -> str:
        project = self._known_project(credential)
        if project is not None:
            return project
        try:
            return await self._discovery.project(credential, token)
        except UpstreamCredentialError as error:
            self.refused(error, credential)
            raise

    def _wrap(self, body: bytes, model: str, project: str, credential: Credential) -> bytes:
        kind = envelope.request_type(model)
        milliseconds = int(self._services.clock.seconds() * 1000)
        return envelope.wrap(
            body,
            model=model,
            project=project,
            request_id=envelope.request_id(kind, milliseconds, secrets.token_hex(16)),
            request_type=kind,
            session_id=envelope.session_id(credential.id),
        )

    def _requests(
        self, method: str, query: str, body: bytes, token: str
    ) -> Sequence[OutgoingRequest]:
        headers = (
            ("user-agent", USER_AGENT),
            ("accept", "text/event-stream" if query else "application/json"),
            ("content-type", "application/json"),
            ("authorization", f"{_BEARER}{token}"),
            *self._extra,
        )
        return [
            OutgoingRequest(
                "POST",
                base.join(path_of(method), query),
                headers,
                body,
                self._whole_timeouts if method == "generateContent" else self._timeouts,
                self._proxy,
            )
            for base in self._bases
        ]

    async def _call(self, method: str, body: bytes, token: str) -> bytes:
        return await self._ask(self._requests(method, "", body, token))

    async def _ask(self, requests: Sequence[OutgoingRequest]) -> bytes:
        decode_error = self._services.protocols[PROTOCOL].decode_error
        return await fetch_first(self._services.transport, requests, decode_error, self.try_next)
