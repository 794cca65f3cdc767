"""Servers without sockets: requests go to the server with their origin, and are kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, parse_qsl, urlsplit

from twisted.internet.defer import Deferred, fail, succeed
from twisted.web.resource import Resource

from antigravity.interfaces.transport import OutgoingRequest
from antigravity.ir.errors import UnavailableError, UpstreamError


@dataclass(frozen=True)
class Request:
    """A request as a server gets it; names of headers are in lower case."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def parts(self) -> SplitResult:
        return urlsplit(self.url)

    def form(self) -> dict[str, str]:
        """Return the fields of the body.

        :raises ValueError: if one is there twice, or the body is no form.
        """
        kind = self.headers.get("content-type", "").partition(";")[0]
        if kind != "application/x-www-form-urlencoded":
            raise ValueError("the body is no form")
        return unique(self.body.decode("ascii"))


def unique(query: str) -> dict[str, str]:
    """Return the parameters in a query.

    :raises ValueError: if one is there twice, or is empty.
    """
    pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    found = dict(pairs)
    if len(found) != len(pairs) or "" in found.values():
        raise ValueError("a parameter is there twice, or empty")
    return found


@dataclass
class Response:
    """An answer; a header can be there several times."""

    status: int = 200
    headers: Sequence[tuple[str, str]] = ()
    body: bytes = b""


Handler = Callable[[Request], Response]


class MemoryResponse:
    """A response for the gateway's code."""

    def __init__(self, response: Response) -> None:
        self._response = response
        self.aborted = False

    def status(self) -> int:
        return self._response.status

    def headers(self) -> Mapping[str, str]:
        return {name.lower(): value for name, value in self._response.headers}

    def values(self, name: str) -> Sequence[str]:
        return [value for each, value in self._response.headers if each.lower() == name]

    def collect(self, limit: int) -> Deferred[bytes]:
        if len(self._response.body) > limit:
            return fail(UpstreamError("too large", code="answer_too_large"))
        return succeed(self._response.body)

    def abort(self) -> None:
        self.aborted = True


@dataclass
class MemoryNetwork:
    """A transport to the servers in ``origins``.

    While ``hold`` is set, requests wait in ``held`` until :meth:`release`.
    """

    origins: dict[str, Handler] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    hold: bool = False
    held: list[tuple[Request, Deferred[Any]]] = field(default_factory=list)
    cancelled: int = 0

    def send(self, request: OutgoingRequest) -> Deferred[Any]:
        names = [name for name, _ in request.headers]
        assert len(set(names)) == len(names), names
        found = Request(request.method, request.url, dict(request.headers), bytes(request.body))
        self.requests.append(found)
        if self.hold:
            waiting: Deferred[Any] = Deferred(lambda _: self._cancel())
            self.held.append((found, waiting))
            return waiting
        return self._answer(found)

    def release(self) -> None:
        """Let all requests through."""
        self.hold = False
        held, self.held = self.held, []
        for request, waiting in held:
            self._answer(request).addCallbacks(waiting.callback, waiting.errback)

    def close(self) -> Deferred[None]:
        return succeed(None)

    def paths(self, method: str = "") -> list[str]:
        """Return the addresses of the requests so far."""
        return [each.url for each in self.requests if not method or each.method == method]

    def _answer(self, request: Request) -> Deferred[Any]:
        handler = self.origins.get(f"{request.parts.scheme}://{request.parts.netloc}")
        if handler is None:
            return fail(UnavailableError(f"could not connect to {request.parts.netloc}"))
        return succeed(MemoryResponse(handler(request)))

    def _cancel(self) -> None:
        self.cancelled += 1


class HandlerResource(Resource):
    """The handler of a server as a resource of ``twisted.web``; ``origin`` is set by its owner."""

    isLeaf = True  # noqa: N815

    def __init__(self, handler: Handler) -> None:
        super().__init__()
        self.origin = ""
        self._handler = handler

    def render(self, request: Any) -> bytes:
        headers = {
            name.decode("latin-1").lower(): values[-1].decode("latin-1")
            for name, values in request.requestHeaders.getAllRawHeaders()
        }
        url = self.origin + request.uri.decode("latin-1")
        found = Request(request.method.decode(), url, headers, request.content.read())
        response = self._handler(found)
        request.setResponseCode(response.status)
        for name, value in response.headers:
            request.responseHeaders.addRawHeader(name, value)
        return response.body
