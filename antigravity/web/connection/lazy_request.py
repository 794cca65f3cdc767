"""The parts of a request of twisted.web, each made when it is used first."""

# ruff: noqa: N802 - the names are Twisted's
# mypy: disable-error-code="no-untyped-call,override,assignment"

from __future__ import annotations

from functools import cached_property
from io import BytesIO
from typing import Any
from urllib.parse import unquote_to_bytes

from twisted.internet.defer import Deferred
from twisted.web.http_headers import Headers
from twisted.web.server import Request

from antigravity.web.connection.head_parser import ParsedHead
from antigravity.web.connection.response_head import Fields, http_date
from antigravity.web.request_head import RequestHead


class LazyRequest(Request):
    """A request whose header objects, cookies, addresses and file are made when they are used.

    ``args`` holds the query alone, without credentials.  Subclasses set ``head``, ``transport``,
    and the attributes that begin with an underscore.
    """

    head: RequestHead
    transport: Any
    _parsed: ParsedHead
    _fields: Fields
    _whole = b""

    @cached_property
    def method(self) -> bytes:
        """The method."""
        return self._parsed.method.encode("latin-1")

    @cached_property
    def uri(self) -> bytes:
        """The request target."""
        return self._parsed.target.encode("latin-1")

    @cached_property
    def clientproto(self) -> bytes:
        """The version of HTTP."""
        return self._parsed.version.encode("latin-1")

    @cached_property
    def path(self) -> bytes:
        """The percent-encoded path."""
        return self.head.raw_path

    @cached_property
    def args(self) -> dict[bytes, list[bytes]]:
        """The query without credentials."""
        return self.head.args

    @cached_property
    def prepath(self) -> list[bytes]:
        """The segments of the path that were matched."""
        return []

    @cached_property
    def postpath(self) -> list[bytes]:
        """The segments of the path that were not matched yet."""
        return unquote_to_bytes(self.path)[1:].split(b"/")

    @cached_property
    def sitepath(self) -> list[bytes]:
        """The segments of the path that lead to the application: none."""
        return []

    @cached_property
    def requestHeaders(self) -> Headers:
        """The headers of the request."""
        headers = Headers()
        for name, value in self._parsed.fields:
            headers.addRawHeader(name.encode("latin-1"), value.strip(" \t").encode("latin-1"))
        return headers

    @cached_property
    def responseHeaders(self) -> Headers:
        """The headers of the response; from the first use on they are kept here alone."""
        headers = Headers()
        headers.setRawHeaders(b"Server", [b"antigravity"])
        headers.setRawHeaders(b"Date", [http_date()])
        for lines in self._fields.values():
            for line in lines.split("\r\n")[:-1]:
                name, _, value = line.partition(": ")
                headers.addRawHeader(name, value)
        return headers

    @cached_property
    def received_cookies(self) -> dict[bytes, bytes]:
        """The cookies of the request."""
        found: dict[bytes, bytes] = {}
        for line in self.requestHeaders.getRawHeaders(b"Cookie", ()):
            for cookie in line.split(b";"):
                name, equals, value = cookie.lstrip().partition(b"=")
                if equals:
                    found[name] = value
        return found

    @cached_property
    def cookies(self) -> list[bytes]:
        """The cookies of the response."""
        return []

    @cached_property
    def notifications(self) -> list[Deferred[None]]:
        """The Deferreds that :meth:`notifyFinish` has returned."""
        return []

    @cached_property
    def content(self) -> BytesIO:
        """The body as a file."""
        return BytesIO(self._whole)

    @cached_property
    def client(self) -> Any:
        """The address of the client."""
        return self.transport.getPeer()

    @cached_property
    def host(self) -> Any:
        """The address of the gateway that the client used."""
        return self.transport.getHost()
