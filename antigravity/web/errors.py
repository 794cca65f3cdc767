"""Errors as the client's protocol encodes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from twisted.internet.defer import CancelledError
from twisted.python.failure import Failure
from werkzeug.exceptions import HTTPException

from antigravity.interfaces.protocols import IServerProtocol
from antigravity.ir.call import HttpReply
from antigravity.ir.errors import (
    GatewayError,
    InvalidRequestError,
    MethodNotAllowedError,
    NotFoundError,
    UnavailableError,
)
from antigravity.logs import make_logger
from antigravity.web.mcp_errors import McpErrorEncoder, is_mcp_path
from antigravity.web.routing_table import NoSuchMethodError, preferred_protocol

#: Prefixes of paths that belong to one protocol, whatever the headers are.
_PREFIXES = (
    ("/v1beta/interactions", "gemini_interactions"),
    ("/v1/interactions", "gemini_interactions"),
    ("/v1beta", "gemini"),
    ("/v1alpha", "gemini"),
    ("/gemini", "gemini"),
    ("/v1/messages", "anthropic"),
    ("/messages", "anthropic"),
    ("/anthropic", "anthropic"),
    ("/v1/models/claude", "anthropic"),
    ("/v1/responses", "openai_responses"),
    ("/responses", "openai_responses"),
    ("/v1/chat", "openai_chat"),
    ("/chat", "openai_chat"),
    ("/openai", "openai_chat"),
)


class HeadersTooLargeError(InvalidRequestError):
    """There are too many headers, or too large ones."""

    status = 431


class UnsupportedEncodingError(InvalidRequestError):
    """The body has a content coding that the gateway does not support."""

    status = 415


class RequestTimeoutError(InvalidRequestError):
    """The request did not arrive in time."""

    status = 408


class ErrorRenderer:
    """A renderer of errors in the installed protocols."""

    log = make_logger()

    def __init__(self, protocols: Iterable[IServerProtocol]) -> None:
        self._protocols = {protocol.name: protocol for protocol in protocols}
        self._mcp = McpErrorEncoder()

    def protocol_for(
        self, path: str, headers: Mapping[str, str], credentials: Iterable[str] = ()
    ) -> IServerProtocol | McpErrorEncoder | None:
        """Return the protocol that the client most likely uses; ``None`` without any protocol."""
        if is_mcp_path(path):
            return self._mcp
        name = next((name for prefix, name in _PREFIXES if path.startswith(prefix)), "")
        name = name or preferred_protocol(headers, credentials)
        found = self._protocols.get(name) or self._protocols.get("openai_chat")
        return found or next(iter(self._protocols.values()), None)

    def render(
        self,
        error: GatewayError,
        request_id: str,
        protocol: IServerProtocol | McpErrorEncoder | None,
    ) -> HttpReply:
        """Return ``error`` as ``protocol`` encodes it, or in a plain form if that is ``None``."""
        if protocol is None:
            body = msgspec.json.encode({"error": {"message": error.message, "code": error.code}})
            reply = HttpReply(error.status, body)
        else:
            reply = protocol.encode_error(error, request_id)
        extra = _headers_for(error, reply.headers)
        return msgspec.structs.replace(reply, headers=reply.headers + extra) if extra else reply

    def error_for(self, failure: Failure, where: str) -> GatewayError:
        """Return the error that a client may see for ``failure``; unexpected ones are logged.

        :param where: method and path of the request.
        """
        error = failure.value
        if isinstance(error, GatewayError):
            return error
        if isinstance(error, RecursionError):
            return InvalidRequestError("The request is nested too deeply.")
        if isinstance(error, CancelledError):
            return UnavailableError("The gateway is shutting down.")
        if isinstance(error, HTTPException) and error.code is not None and error.code < 500:
            return _of_http_exception(error, where)
        self.log.failure("{where} failed", failure=failure, where=where)
        return GatewayError("The gateway has an internal error; its log has the details.")


def _of_http_exception(error: HTTPException, where: str) -> GatewayError:
    method, _, path = where.partition(" ")
    if error.code == 405:
        allowed: Sequence[str] = sorted(getattr(error, "valid_methods", None) or ())
        if allowed:
            return NoSuchMethodError(method, path, allowed)
        return MethodNotAllowedError(f"{method[:40]} is not allowed here.")
    if error.code in (404, 308):
        return NotFoundError(f"Not found: {where[:200]}.", code="path_not_found")
    return InvalidRequestError(error.description or "The request cannot be served.")


def _headers_for(
    error: GatewayError, present: Sequence[tuple[str, str]]
) -> tuple[tuple[str, str], ...]:
    """Return the headers that HTTP requires with an error, except those ``present``."""
    extra = []
    if isinstance(error, NoSuchMethodError):
        extra.append(("Allow", ", ".join(error.allowed)))
    if isinstance(error, UnsupportedEncodingError):
        extra.append(("Accept-Encoding", "gzip, deflate, zstd"))
    if error.status == 401:
        extra.append(("WWW-Authenticate", 'Bearer realm="antigravity"'))
    if error.status == 426:
        # RFC 9110 requires a protocol here; HTTP/1.1 is the one that works.
        extra += [("Upgrade", "HTTP/1.1"), ("Connection", "Upgrade")]
    if not extra:
        return ()
    names = {name.lower() for name, _ in present}
    return tuple(header for header in extra if header[0].lower() not in names)
