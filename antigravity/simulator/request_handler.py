"""Log requests, parse their bodies, and render errors, for all routes."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

from twisted.web.server import Request

from antigravity.simulator.errors import (
    ApiError,
    HttpResponse,
    anthropic_error,
    google_error,
    interactions_error,
    openai_error,
)
from antigravity.simulator.multipart import is_multipart, read_form
from antigravity.simulator.responder import Result, send
from antigravity.simulator.state import LoggedRequest, State

ErrorRenderer = Callable[[ApiError], HttpResponse]


@dataclass(frozen=True)
class ConnectionTurn:
    """A request over WebSocket: what its connection remembers.

    ``find`` returns the items of an earlier response; ``remember`` gets the id of the response and
    all items.  Without ``generate``, the response is empty.
    """

    find: Callable[[str], list[Any] | None]
    remember: Callable[[str, list[Any]], None]
    generate: bool = True


@dataclass(frozen=True)
class Call:
    """A request with its headers, its parsed body and its API key."""

    request: Request
    headers: dict[str, str]
    body: Any
    key: str = ""
    turn: ConnectionTurn | None = None


#: Serves a call; parameters of the path are passed by name.
Endpoint = Callable[..., Result | dict[str, Any]]
KeyCheck = Callable[[Call], str]

_PARSE: Final[dict[ErrorRenderer, str]] = {
    anthropic_error: "The request body is not valid JSON: {}",
    openai_error: "We could not parse the JSON body of your request. (HINT: This likely means you "
    "aren't using your HTTP library correctly. The OpenAI API expects a JSON payload, but what "
    "was sent was not valid JSON.)",
    google_error: "Invalid JSON payload received. {}",
    interactions_error: "Invalid JSON payload received. {}",
}
#: The only paths that accept a form.
_FORMS: Final = ("/token", "/oauth2/token")


def headers_of(request: Request) -> dict[str, str]:
    """Return the headers, names in lower case, the last value of each."""
    return {
        name.decode("latin-1").lower(): values[-1].decode("latin-1")
        for name, values in request.requestHeaders.getAllRawHeaders()
    }


def query_of(request: Request) -> dict[str, str]:
    """Return the query's fields."""
    _, _, query = request.uri.partition(b"?")
    return dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True))


def path_of(request: Request) -> str:
    """Return the path, decoded."""
    return unquote(request.uri.partition(b"?")[0].decode("latin-1"))


def content_of(request: Request) -> bytes:
    """Return the body; can be called repeatedly."""
    assert request.content is not None
    request.content.seek(0)
    return bytes(request.content.read())


def alt_of(request: Request) -> str:
    """Return the framing that a Google request wants for streams."""
    query = query_of(request)
    return query.get("alt") or query.get("$alt", "json").partition(";")[0]


def bearer(headers: dict[str, str]) -> str:
    """Return the bearer token, or an empty string."""
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def find_error_renderer(request: Request) -> ErrorRenderer:
    """Return the error renderer of the most likely protocol of a request."""
    headers, path = headers_of(request), path_of(request)
    if path.startswith(("/v1beta", "/v1internal")) or "x-goog-api-key" in headers:
        return google_error
    if "key" in query_of(request):
        return google_error
    if "anthropic" in path or "/messages" in path or "anthropic-version" in headers:
        return anthropic_error
    return openai_error


_TOO_DEEP = "it is nested too deeply"


class RequestHandler:
    """Logs requests, parses their bodies and renders errors."""

    def __init__(self, state: State) -> None:
        self._state = state

    def serve(
        self,
        request: Request,
        render_error: ErrorRenderer,
        check_key: KeyCheck,
        endpoint: Endpoint,
        **names: str,
    ) -> Result:
        """Return the result of an endpoint.

        :param check_key: returns the API key of a call.
        :param names: the parameters of the path.
        """
        headers = headers_of(request)
        raw = content_of(request)
        body, problem = _parse(request, raw)
        entry = LoggedRequest(
            request.method.decode("ascii"),
            path_of(request),
            request.uri.partition(b"?")[2].decode("latin-1"),
            headers,
            body if problem is None else {"_bytes": len(raw)},
        )
        self._state.record(entry, len(raw))
        try:
            if problem is not None:
                raise ApiError(400, _PARSE[render_error].format(problem))
            call = Call(request, headers, body)
            result = endpoint(replace(call, key=check_key(call)), **names)
        except ApiError as error:
            self._state.stats.refused += 1
            return send(request, render_error(error))
        except RecursionError:
            # How deeply a body may be nested depends on Python.
            self._state.stats.refused += 1
            return send(request, render_error(ApiError(400, "The body is nested too deeply.")))
        return send(request, HttpResponse(200, (), result)) if isinstance(result, dict) else result

    def refuse(self, request: Request, error: ApiError) -> bytes:
        """Log a request without a route, and refuse it."""
        method = request.method.decode("latin-1")
        self._state.record(LoggedRequest(method, path_of(request), "", headers_of(request)), 0)
        self._state.stats.refused += 1
        return send(request, find_error_renderer(request)(error))


def _parse(request: Request, raw: bytes) -> tuple[Any, str | None]:
    """Return the body, and the problem if it is malformed."""
    if request.method != b"POST" or (not raw and path_of(request).endswith("/cancel")):
        return {}, None
    if path_of(request).startswith("/api/mcp/"):
        return _parse_lenient(raw), None  # JSON-RPC has errors of its own
    if path_of(request) in _FORMS:
        return dict(parse_qsl(raw.decode("latin-1"), keep_blank_values=True)), None
    content_type = headers_of(request).get("content-type", "")
    try:
        if is_multipart(content_type):
            return read_form(content_type, raw), None
        body = json.loads(raw, parse_constant=_refuse_constant, parse_float=_finite)
    except ValueError as error:
        return None, str(error)
    except RecursionError:
        return None, _TOO_DEEP
    return (body, None) if isinstance(body, dict) else (None, "expected an object")


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON value")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text[:40]} is out of range")
    return value


def _parse_lenient(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return {"_bytes": len(raw)}
