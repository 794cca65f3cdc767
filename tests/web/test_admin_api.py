"""The admin API is served and described from the declarations of its routes."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from msgspec import Meta, Struct
from twisted.internet.defer import Deferred, succeed

from antigravity.config.secret import Secret
from antigravity.interfaces.admin_routes import AdminRoute
from antigravity.interfaces.exchange import Reply
from antigravity.ir.errors import ConflictError
from antigravity.web.admin_api import AdminApi
from antigravity.web.openapi import build_document
from tests.web.builders import Response, WebHarness

KEY = "Authorization: Bearer sk-admin"


class Filter(Struct, frozen=True, forbid_unknown_fields=True):
    """What to list."""

    limit: Annotated[int, Meta(ge=1, le=5)] = 3
    model: str | None = None


class Change(Struct, frozen=True):
    """What to change."""

    name: str
    note: str = ""


class Outcome(Struct, frozen=True):
    """What was changed; see :class:`Change`."""

    name: str
    limit: int = 0


async def change(name: str, body: Change) -> Outcome:
    if body.name == "no":
        raise ConflictError("It is in use.", code="in_use")
    return Outcome(f"{name} {body.name}")


def listed(query: Filter) -> Deferred[list[Outcome]]:
    return succeed([Outcome(query.model or "all", query.limit)])


ROUTES = (
    AdminRoute(
        method="GET",
        path="/admin/things",
        summary="List the things.",
        query=Filter,
        response=list[Outcome],
        handler=listed,
    ),
    AdminRoute(
        method="PUT",
        path="/admin/things/<name>",
        summary="Change a thing.",
        names={"name": "its name"},
        body=Change,
        response=Outcome,
        errors=(ConflictError,),
        handler=change,
    ),
    AdminRoute(
        method="DELETE",
        path="/admin/things/<name>",
        summary="Remove a thing.",
        local_only=True,
        response=Outcome,
        handler=lambda name: Outcome(name),
    ),
    AdminRoute(
        method="GET",
        path="/admin/things.csv",
        summary="Export the things.",
        media_types=("text/csv",),
        handler=lambda: Reply(200, "text/csv", (), b"name\n"),
    ),
)


def ask(method: str, path: str, body: bytes | None = None, *headers: str) -> Response:
    web = WebHarness(admin_routes=ROUTES, admin_key=Secret("sk-admin"))
    return web.request(method, path, body, KEY, *headers)


def test_query_is_decoded_into_declared_type() -> None:
    assert ask("GET", "/admin/things?limit=5&model=a").json == [{"name": "a", "limit": 5}]
    assert ask("HEAD", "/admin/things").status == 200


@pytest.mark.parametrize("query", ["limit=6", "limit=x", "model=a&other=1"])
def test_wrong_query_is_refused_with_known_parameters(query: str) -> None:
    response = ask("GET", f"/admin/things?{query}")
    assert response.status == 400
    assert b"Its parameters are: limit, model." in response.body


def test_body_and_name_reach_handler() -> None:
    body = ask("PUT", "/admin/things/a%2Fb", b'{"name": "c"}').json
    assert body == {"name": "a/b c", "limit": 0}


@pytest.mark.parametrize("body", [b"", b"[]", b'{"name": 3}', b"{", b"{}"])
def test_wrong_body_is_refused_with_its_fields(body: bytes) -> None:
    response = ask("PUT", "/admin/things/a", body)
    assert response.status == 400
    assert 'a JSON object with "name" and optionally "note"' in str(response.json)


def test_error_of_handler_keeps_its_status() -> None:
    response = ask("PUT", "/admin/things/a", b'{"name": "no"}')
    assert (response.status, "It is in use." in str(response.json)) == (409, True)


def test_local_route_refuses_proxied_requests() -> None:
    assert ask("DELETE", "/admin/things/a").status == 200
    assert ask("DELETE", "/admin/things/a", None, "X-Forwarded-For: 1.2.3.4").status == 403


def test_other_media_types_are_written_as_they_are() -> None:
    response = ask("GET", "/admin/things.csv")
    assert (response.headers["content-type"], response.body) == ("text/csv", b"name\n")


def test_every_route_demands_the_admin_key() -> None:
    web = WebHarness(admin_routes=ROUTES, admin_key=Secret("sk-admin"), api_key=Secret("sk-user"))
    for path in ("/admin/things", "/admin/things.csv", "/admin/openapi.json"):
        assert web.request("GET", path, None, "x-api-key: sk-user").status == 401, path


def test_same_route_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="GET /admin/things is taken"):
        AdminApi([ROUTES[0], ROUTES[0]])


def test_route_elsewhere_is_refused() -> None:
    route = AdminRoute(
        method="GET", path="/v1/things", summary="", response=Outcome, handler=Outcome
    )
    with pytest.raises(ValueError, match="does not begin with /admin/"):
        AdminApi([route])


def operation(method: str, path: str) -> Any:
    return build_document(ROUTES)["paths"][path][method]


def test_document_has_parameters_with_their_bounds() -> None:
    assert operation("get", "/admin/things")["parameters"] == [
        {
            "name": "limit",
            "in": "query",
            "required": False,
            "schema": {"type": "integer", "minimum": 1, "maximum": 5, "default": 3},
        },
        {"name": "model", "in": "query", "required": False, "schema": {"type": "string"}},
    ]
    assert operation("put", "/admin/things/{name}")["parameters"] == [
        {
            "name": "name",
            "in": "path",
            "required": True,
            "schema": {"type": "string"},
            "description": "its name",
        }
    ]


def test_document_has_bodies_responses_and_errors() -> None:
    found = operation("put", "/admin/things/{name}")
    reference = {"$ref": "#/components/schemas/Change"}
    assert found["requestBody"]["content"]["application/json"]["schema"] == reference
    assert found["requestBody"]["required"]
    assert list(found["responses"]) == ["200", "400", "401", "409", "default"]
    assert "403" in operation("delete", "/admin/things/{name}")["responses"]
    assert list(operation("get", "/admin/things.csv")["responses"]["200"]["content"]) == [
        "text/csv"
    ]


def test_descriptions_are_without_markup_of_python() -> None:
    outcome = build_document(ROUTES)["components"]["schemas"]["Outcome"]
    assert outcome["description"] == "What was changed; see `Change`."


def test_operations_have_names_of_their_own() -> None:
    names = [
        each["operationId"]
        for path in build_document(ROUTES)["paths"].values()
        for each in path.values()
    ]
    assert len(names) == len(set(names)) == len(ROUTES)
