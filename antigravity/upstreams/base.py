"""The base class of HTTP upstreams."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, Final
from urllib.parse import urlencode

from msgspec.structs import replace
from twisted.internet.defer import Deferred
from zope.interface import implementer

from antigravity.config.errors import ConfigurationError
from antigravity.config.settings import UpstreamSettings
from antigravity.interfaces.transport import OutgoingRequest, Timeouts
from antigravity.interfaces.upstreams import Credential, IUpstream, UpstreamOperation
from antigravity.ir.call import Body, Call
from antigravity.ir.capabilities import Model
from antigravity.ir.errors import GatewayError, UnavailableError
from antigravity.upstreams.addresses import BaseUrl, bases_of, proxy_of
from antigravity.upstreams.metadata import fetch_first
from antigravity.upstreams.next_address import should_try_next_address
from antigravity.upstreams.quirks import resolve_quirks
from antigravity.upstreams.services import UpstreamServices
from antigravity.version import USER_AGENT

#: Headers of the gateway or the connection, which the configuration must not set.
_OWN_HEADERS: Final = frozenset(
    (
        "user-agent",
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "accept-encoding",
    )
)

#: Sets of headers that are kept for further requests, and the characters of one.
_MAX_KEPT: Final = 1024
_MAX_KEPT_LENGTH: Final = 4096

HeaderPairs = tuple[tuple[str, str], ...]


def extra_headers(settings: UpstreamSettings, name: str) -> dict[str, str]:
    """Return the configured headers, names in lower case.  Their values may be secret.

    :raises ConfigurationError: for a header that only the gateway sets.
    """
    headers = {key.lower(): value for key, value in settings.headers.items()}
    for key in headers:
        if key in _OWN_HEADERS:
            raise ConfigurationError(
                f"only the gateway sets the header {key}", key=f"upstreams.{name}.headers"
            )
    return headers


def timeouts_of(settings: UpstreamSettings, services: UpstreamServices) -> Timeouts:
    """Return the limits for one request."""
    limits = settings.timeouts
    return Timeouts(
        connect=limits.connect,
        first_byte=limits.first_byte,
        idle=limits.idle,
        total=limits.total or services.request_timeout,
    )


def for_whole_response(timeouts: Timeouts) -> Timeouts:
    """Return the limits for a response whose headers come with its end.

    A stream may be silent for ``first_byte`` and then for ``idle``.
    """
    both = timeouts.first_byte and timeouts.idle and timeouts.first_byte + timeouts.idle
    return replace(timeouts, first_byte=both)


@implementer(IUpstream)
class HttpUpstream(ABC):
    """An upstream whose requests need only an address and headers.

    Subclasses define the protocols, the paths and the headers for the credential.
    """

    kind: ClassVar[str]
    default_urls: ClassVar[tuple[str, ...]]

    def __init__(
        self, settings: UpstreamSettings, services: UpstreamServices, protocols: tuple[str, ...]
    ) -> None:
        self.name = services.name
        self.protocols = protocols
        self._settings = settings
        self._services = services
        self._bases = tuple(
            self._normal(base) for base in bases_of(settings, services.name, self.default_urls)
        )
        self.quirks = resolve_quirks(settings.quirks, self._bases)
        self._timeouts = timeouts_of(settings, services)
        self._whole_timeouts = for_whole_response(self._timeouts)
        self._proxy = proxy_of(settings, services.name)
        self._extra = extra_headers(settings, services.name)
        #: Whole sets of headers by their varying parts: most requests have the same.
        self._known_headers: dict[tuple[str, HeaderPairs], HeaderPairs] = {}

    def prepare(
        self,
        operation: UpstreamOperation,
        protocol: str,
        model: str,
        body: Body,
        credential: Credential,
        headers: Mapping[str, str],
    ) -> Sequence[OutgoingRequest]:
        """Return one request for each base address.

        :raises GatewayError: if the upstream does not have the operation.
        """
        path, query = self._target(operation, protocol, model)
        return [
            self._request(
                operation,
                base.join(path, query),
                self._headers(operation, protocol, base, credential, headers),
                body,
            )
            for base in self._bases
        ]

    def try_next(self, error: GatewayError) -> bool:
        """Return whether the next base address should be tried."""
        return should_try_next_address(error)

    def unwrap(self, payload: bytes) -> bytes:
        """Return ``payload``, which has no envelope."""
        return payload

    def wraps(self) -> bool:
        """Return ``False``: there is no envelope."""
        return False

    def passes(self, protocol: str, operation: UpstreamOperation, body: bytes = b"") -> bool:
        """Return whether the upstream speaks ``protocol``."""
        return protocol in self.protocols

    def refused(self, error: GatewayError, credential: Credential) -> None:  # noqa: B027
        """Do nothing: keys are not cached."""

    def models(self, credential: Credential) -> Deferred[Sequence[Model]]:
        """Return a Deferred that fires with the models in the upstream's list."""
        return Deferred.fromCoroutine(self._models(credential))

    async def _models(self, credential: Credential) -> Sequence[Model]:
        name = self.protocols[0]
        protocol = self._services.protocols[name]
        requests = self.prepare("list_models", name, "", b"", credential, {})
        body = await fetch_first(
            self._services.transport, requests, protocol.decode_error, self.try_next
        )
        models: Sequence[Model] = protocol.decode_models(body)
        return models

    # Overridden by kinds.

    def _normal(self, base: BaseUrl) -> BaseUrl:
        """Return ``base`` without the part that the paths repeat."""
        return base

    @abstractmethod
    def _target(self, operation: UpstreamOperation, protocol: str, model: str) -> tuple[str, str]:
        """Return the path and query of an operation.

        :raises GatewayError: if the upstream does not have the operation.
        """

    @abstractmethod
    def _authorization(self, credential: Credential, base: BaseUrl) -> HeaderPairs:
        """Return the headers with the credential."""

    def _forwarded(self, headers: Mapping[str, str]) -> HeaderPairs:
        """Return the client's headers to forward, and their defaults."""
        return ()

    def _content(self, protocol: str, headers: Mapping[str, str]) -> HeaderPairs:
        """Return the client's headers about the bodies of request and response, if they vary."""
        return ()

    # The request.

    def _headers(
        self,
        operation: UpstreamOperation,
        protocol: str,
        base: BaseUrl,
        credential: Credential,
        headers: Mapping[str, str],
    ) -> HeaderPairs:
        varying: HeaderPairs = (
            *(self._authorization(credential, base) if credential.secret else ()),
            *self._forwarded(headers),
            *self._content(protocol, headers),
        )
        known = self._known_headers.get((operation, varying))
        return self._merged_headers(operation, varying) if known is None else known

    def _merged_headers(self, operation: UpstreamOperation, varying: HeaderPairs) -> HeaderPairs:
        """Return all headers of a request, and keep them for further ones."""
        merged = {
            "user-agent": USER_AGENT,
            "accept": "text/event-stream" if operation == "stream" else "application/json",
        }
        if operation != "list_models":
            merged["content-type"] = "application/json"
        merged.update(varying)
        merged.update(self._extra)
        headers = tuple(merged.items())
        if sum(len(value) for _, value in varying) <= _MAX_KEPT_LENGTH:
            if len(self._known_headers) >= _MAX_KEPT:
                self._known_headers.clear()
            self._known_headers[operation, varying] = headers
        return headers

    def _request(
        self, operation: UpstreamOperation, url: str, headers: HeaderPairs, body: Body
    ) -> OutgoingRequest:
        if operation == "list_models":
            return OutgoingRequest("GET", url, headers, b"", self._timeouts, self._proxy)
        timeouts = self._whole_timeouts if operation in ("generate", "compact") else self._timeouts
        return OutgoingRequest("POST", url, headers, body, timeouts, self._proxy)

    def _requests_about(
        self, call: Call, path: str, protocol: str, credential: Credential
    ) -> list[OutgoingRequest]:
        """Return the requests that pass a ``stored`` call on, one for each base address."""
        query = urlencode(call.parameters)
        return [
            OutgoingRequest(
                call.route.method,
                base.join(path, query),
                self._headers("generate", protocol, base, credential, call.headers),
                call.body,
                self._timeouts,
                self._proxy,
            )
            for base in self._bases
        ]

    def _no_operation(self, operation: str, protocol: str) -> UnavailableError:
        return UnavailableError(f"upstream {self.name} has no {operation} in {protocol}")
