"""Serves the admin API from the declarations of its routes, and its description."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from inspect import iscoroutine
from typing import Any, Final, TypeVar

import msgspec
from twisted.internet.defer import Deferred

from antigravity.deferreds import call_in_thread
from antigravity.interfaces.admin_routes import AdminRoute, require_local
from antigravity.interfaces.exchange import Reply
from antigravity.ir.errors import InvalidRequestError
from antigravity.ir.json_reader import decode
from antigravity.web.plugin_failures import call_plugin, plugin_failed
from antigravity.web.request import head_of, pop_small_body
from antigravity.web.responses import is_closed, write_reply

Q = TypeVar("Q", bound=msgspec.Struct)
Handler = Callable[..., Deferred[None] | None]
#: Where the API describes itself.
DOCUMENT_PATH: Final = "/admin/openapi.json"
_JSON: Final = "application/json"
_PREFIXES: Final = ("/admin/", "/internal/")


class AdminApi:
    """The admin API.  The application checks the operator's key before it calls a handler.

    :param routes: its declarations.
    :param undeclared: method and path of plugins' own routes below ``/admin/``.
    :ivar routes: those, and the one of its description, unless there are none.
    :raises ValueError: if two of them are the same request, or one is not below ``/admin/``.
    """

    def __init__(
        self, routes: Iterable[AdminRoute], undeclared: Sequence[tuple[str, str]] = ()
    ) -> None:
        self._description = AdminRoute(
            method="GET",
            path=DOCUMENT_PATH,
            summary="Describe this API as an OpenAPI 3.1 document.",
            response=dict[str, Any],
            handler=self._describe,
        )
        declared = tuple(routes)
        self.routes = (*declared, self._description) if declared else ()
        self._undeclared = [each for each in undeclared if each[1].startswith(_PREFIXES)]
        self._document: Reply | None = None
        known: set[tuple[str, str]] = set()
        for route in self.routes:
            key = route.method, route.path
            if key in known:
                raise ValueError(f"the route {route.method} {route.path} is taken")
            if not route.path.startswith(_PREFIXES):
                raise ValueError(f"the path {route.path} does not begin with {_PREFIXES[0]}")
            known.add(key)

    def endpoints(self) -> Iterator[tuple[str, tuple[str, ...], Handler]]:
        """Yield path, methods and handler of every route."""
        for route in self.routes:
            methods = ("GET", "HEAD") if route.method == "GET" else (route.method,)
            is_described = route is not self._description
            yield route.path, methods, partial(_serve, route) if is_described else self._describe

    def _describe(self, request: Any) -> Deferred[None] | None:
        """Write the description, which is made in a thread when it is first wanted."""
        if self._document is not None:
            return _write(self._document, request, self._description)
        made = call_in_thread(request.channel.site.reactor, self._encode_document)
        made.addCallback(self._keep_document)
        return made.addCallback(_write, request, self._description)

    def _encode_document(self) -> bytes:
        from antigravity.web.openapi import build_document

        return msgspec.json.encode(build_document(self.routes, self._undeclared))

    def _keep_document(self, body: bytes) -> Reply:
        self._document = Reply(200, _JSON, (), body)
        return self._document


def _serve(route: AdminRoute, request: Any, **names: str) -> Deferred[None] | None:
    """Call the handler of a route, and write what it returns."""
    require_local(route, is_local=head_of(request).loopback)
    arguments: dict[str, Any] = dict(names)
    if route.query is not None:
        arguments["query"] = read_query(request, route.query)
    if route.body is not None:
        arguments["body"] = _read_body(request, route)
    if route.plugin:
        what = f"{route.method} {route.path}"
        done = call_plugin(route.plugin, what, route.handler, **arguments)
        done.addCallback(encode, route).addErrback(plugin_failed, route.plugin, what)
        return done.addCallback(_write, request, route)
    answer: Any = route.handler(**arguments)
    if iscoroutine(answer):
        answer = Deferred.fromCoroutine(answer)
    if isinstance(answer, Deferred):
        return answer.addCallback(_write, request, route)
    return _write(answer, request, route)


def read_query(request: Any, kind: type[Q]) -> Q:
    """Return the query of ``request`` as a ``kind``.

    :raises InvalidRequestError: if it has wrong values, or other parameters where ``kind`` forbids
        them.
    """
    query = dict(head_of(request).query)
    try:
        return msgspec.convert(query, kind, strict=False)
    except msgspec.ValidationError as error:
        known = ", ".join(field.encode_name for field in msgspec.structs.fields(kind))
        raise InvalidRequestError(
            f"The query is wrong: {error}.  Its parameters are: {known}."
        ) from None


def encode(answer: object, route: AdminRoute) -> Reply:
    """Return what a handler of ``route`` has returned as a response."""
    if isinstance(answer, Reply):
        return answer
    return Reply(200, _JSON, (), msgspec.json.encode(answer))


def _read_body(request: Any, route: AdminRoute) -> Any:
    """Return the body of ``request`` as the route declares it.

    :raises InvalidRequestError: if it is something else.
    """
    body = pop_small_body(request, route.max_body).strip()
    if route.body_optional and body in (b"", b"null"):
        body = b"{}"
    try:
        return decode(body, route.body)
    except msgspec.DecodeError as error:
        raise InvalidRequestError(
            f"Expected {_describe_body(route)} as the body: {error}."
        ) from None


def _describe_body(route: AdminRoute) -> str:
    """Return the fields of a body, for an error."""
    fields = msgspec.structs.fields(route.body)
    needed = [f'"{field.encode_name}"' for field in fields if field.required]
    others = [f'"{field.encode_name}"' for field in fields if not field.required]
    parts = [", ".join(needed), f"optionally {', '.join(others)}" if others else ""]
    return f"a JSON object with {' and '.join(part for part in parts if part)}"


def _write(answer: object, request: Any, route: AdminRoute) -> Deferred[None] | None:
    if isinstance(answer, Reply) and answer.stream is not None:
        return write_reply(answer, request)
    return None if is_closed(request) else write_reply(encode(answer, route), request)
