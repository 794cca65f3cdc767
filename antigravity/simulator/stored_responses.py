"""Stored responses of the Responses API."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from twisted.web.server import Request

from antigravity.simulator.errors import ApiError
from antigravity.simulator.request_handler import query_of
from antigravity.simulator.state import BoundedDict

_LIMIT: Final = 20


@dataclass
class StoredResponse:
    """A response with its input; ``key`` is the API key of its creator."""

    key: str
    items: list[Any]
    made: list[Any]
    body: dict[str, Any]
    events: bytes = b""

    @property
    def conversation(self) -> list[Any]:
        """All items of input and output."""
        return [*self.items, *self.made]


@dataclass
class StoredResponses:
    """The responses of all keys; each key sees its own."""

    responses: BoundedDict[StoredResponse] = field(default_factory=lambda: BoundedDict(1_000))

    def find(self, name: str, key: str) -> StoredResponse | None:
        """Return a response of a key, or ``None``."""
        found = self.responses.get(name)
        return found if found is not None and found.key == key else None

    def serve(
        self, request: Request, key: str, name: str, operation: str
    ) -> dict[str, Any] | bytes:
        """Return the result of an operation on a stored response.

        :raises ApiError: if the response is not found, or the operation is not possible.
        """
        found = self.find(name, key)
        if found is None:
            raise ApiError(404, f"Response with id '{name}' not found.")
        if operation == "input_items":
            return _page(found, name, query_of(request))
        if operation == "cancel":
            return _cancelled(found)
        if request.method == b"DELETE":
            self.responses.drop(name)
            return {"id": name, "object": "response", "deleted": True}
        if query_of(request).get("stream") == "true":
            request.setHeader(b"content-type", b"text/event-stream; charset=utf-8")
            return found.events
        return found.body


def as_queued(body: dict[str, Any]) -> dict[str, Any]:
    """Return a background response in its queued state."""
    return {**body, "background": True, "status": "queued", "output": [], "usage": None}


def _cancelled(found: StoredResponse) -> dict[str, Any]:
    if not found.body["background"]:
        raise ApiError(400, "Cannot cancel a synchronous response.")
    found.body = {**found.body, "status": "cancelled"}
    return found.body


def _page(found: StoredResponse, name: str, query: dict[str, str]) -> dict[str, Any]:
    items = [
        {"id": f"item_{name}_{number}", "type": "message", "status": "completed", **item}
        for number, item in enumerate(found.items)
    ]
    for item in items:
        if isinstance(item.get("content"), str):
            item["content"] = [{"type": "input_text", "text": item["content"]}]
    if query.get("order", "desc") == "desc":
        items.reverse()
    begin = next((n + 1 for n, item in enumerate(items) if item["id"] == query.get("after")), 0)
    limit = int(query.get("limit", _LIMIT))
    page = items[begin : begin + limit]
    return {
        "object": "list",
        "data": page,
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
        "has_more": begin + limit < len(items),
    }
