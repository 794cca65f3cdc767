"""The OpenAPI document of the admin API, made from the types that decode and encode it.

It is imported only when the document is wanted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from inspect import cleandoc
from typing import Any, Final

import msgspec
from msgspec import Struct

from antigravity.interfaces.admin_routes import AdminRoute
from antigravity.ir.errors import (
    AuthenticationError,
    GatewayError,
    InvalidRequestError,
    PermissionDeniedError,
)
from antigravity.version import VERSION

_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
_REFERENCE: Final = "#/components/schemas/{name}"
_NAME: Final = re.compile(r"<(?:\w+:)?(\w+)>")
#: Roles of reStructuredText, whose text alone is Markdown.
_ROLE: Final = re.compile(r":\w+:(?=`)")
_ABOUT: Final = (
    "What the commands, the dashboard and scripts ask of a running gateway, and change.  "
    "Times are in ISO 8601, durations in seconds."
)


class ErrorDetail(Struct, frozen=True):
    """What is wrong and what to do; ``code`` names the kind, ``param`` the field."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class Error(Struct, frozen=True):
    """The body of every response that is an error."""

    error: ErrorDetail


def build_document(
    routes: Sequence[AdminRoute], undeclared: Iterable[tuple[str, str]] = ()
) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of ``routes`` as a JSON object.

    :param undeclared: method and path of routes of which nothing else is known.
    """
    kinds = _Kinds(routes)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        path = _NAME.sub(r"{\1}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route, kinds)
    for method, path in undeclared:
        methods = _METHODS if method in ("*", "ANY") else (method,)
        for each in methods:
            known = paths.setdefault(_NAME.sub(r"{\1}", path), {})
            known.setdefault(each.lower(), _undeclared(each, path))
    return {
        "openapi": "3.1.0",
        "info": {"title": "antigravity admin API", "version": VERSION, "description": _ABOUT},
        "security": [{"bearer": []}, {"header": []}],
        "paths": paths,
        "components": {
            "schemas": kinds.components,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "header": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
        },
    }


class _Kinds:
    """The JSON schemas of all types in bodies, and those of the parameters."""

    def __init__(self, routes: Iterable[AdminRoute]) -> None:
        bodies = [
            each
            for route in routes
            for each in (route.body, route.response)
            if each is not None and (not route.plugin or _has_schema(each))
        ]
        self._bodies = [*bodies, Error]
        found, self.components = _schemas(self._bodies)
        self._schemas = list(found)

    def schema(self, kind: Any) -> Mapping[str, Any]:
        """Return the schema of a type of a body; any value for a plugin's that has none."""
        known = zip(self._bodies, self._schemas, strict=True)
        return next((schema for each, schema in known if each is kind or each == kind), {})


def _has_schema(kind: Any) -> bool:
    try:
        msgspec.json.schema(kind)
    except (TypeError, ValueError):
        return False
    return True


def _schemas(kinds: Sequence[Any]) -> tuple[Sequence[dict[str, Any]], dict[str, Any]]:
    found, components = msgspec.json.schema_components(kinds, ref_template=_REFERENCE)
    for schema in components.values():
        if "description" in schema:
            schema["description"] = _ROLE.sub("", schema["description"])
    return found, components


def _operation(route: AdminRoute, kinds: _Kinds) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": _operation_id(route.method, route.path),
        "summary": route.summary,
        "tags": [route.plugin or route.path.split("/")[2].partition(".")[0]],
    }
    about = " ".join(each for each in (route.details, _describe_query(route)) if each)
    if about:
        operation["description"] = about
    parameters = [*_path_parameters(route.path, route.names), *_query_parameters(route)]
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        content: dict[str, Any] = {"schema": kinds.schema(route.body)}
        if route.example:
            content["example"] = dict(route.example)
        operation["requestBody"] = {
            "required": not route.body_optional,
            "content": {"application/json": content},
        }
    operation["responses"] = _responses(route, kinds)
    return operation


def _operation_id(method: str, path: str) -> str:
    return "_".join([method.lower(), *re.findall(r"[A-Za-z0-9]+", path.removeprefix("/admin"))])


def _undeclared(method: str, path: str) -> dict[str, Any]:
    return {
        "operationId": _operation_id(method, path),
        "summary": "A route of a plugin that does not describe it.",
        "tags": ["plugins"],
        "parameters": list(_path_parameters(path, {})),
        "responses": {"default": {"description": "Whatever the plugin returns."}},
    }


def _path_parameters(path: str, names: Mapping[str, str]) -> Iterable[dict[str, Any]]:
    for name in _NAME.findall(path):
        about = {"description": names[name]} if name in names else {}
        schema = {"type": "string"}
        yield {"name": name, "in": "path", "required": True, "schema": schema, **about}


def _query_parameters(route: AdminRoute) -> Iterable[dict[str, Any]]:
    if route.query is None:
        return
    _, components = _schemas([route.query])
    schema = components[route.query.__name__]
    required = schema.get("required", ())
    for name, each in schema["properties"].items():
        is_shown = route.body is None and name in route.example
        yield {
            "name": name,
            "in": "query",
            "required": name in required,
            "schema": _in_query(each),
            **({"example": route.example[name]} if is_shown else {}),
        }


def _describe_query(route: AdminRoute) -> str:
    """Return what the docstring of the query's type says after its first sentence."""
    if route.query is None:
        return ""
    _, _, about = cleandoc(route.query.__doc__ or "").partition("\n\n")
    return _ROLE.sub("", " ".join(about.split()))


def _in_query(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of a parameter, which is absent where JSON has null."""
    kept = {name: value for name, value in schema.items() if name != "anyOf"}
    if kept.get("default", "") is None:
        del kept["default"]
    variants = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    if len(variants) == 1:
        return {**variants[0], **kept}
    return {**kept, "anyOf": variants} if variants else kept


def _responses(route: AdminRoute, kinds: _Kinds) -> dict[str, Any]:
    contents: dict[str, Any] = {each: {} for each in route.media_types}
    if route.response is not None:
        contents["application/json"] = {"schema": kinds.schema(route.response)}
    responses: dict[str, Any] = {"200": {"description": "Done.", "content": contents}}
    error = {"application/json": {"schema": kinds.schema(Error)}}
    for status, reasons in sorted(_errors(route).items()):
        responses[str(status)] = {"description": " ".join(reasons), "content": error}
    responses["default"] = {"description": "Another error.", "content": error}
    return responses


def _errors(route: AdminRoute) -> dict[int, list[str]]:
    """Return the statuses of the errors that a route can answer, and when it does."""
    kinds: list[type[GatewayError]] = [AuthenticationError, *route.errors]
    if route.query is not None or route.body is not None:
        kinds.append(InvalidRequestError)
    if route.local_only:
        kinds.append(PermissionDeniedError)
    reasons: dict[int, list[str]] = {}
    for kind in dict.fromkeys(kinds):
        about = (kind.__doc__ or "").partition("\n")[0]
        reasons.setdefault(kind.status, []).append(about)
    return reasons
