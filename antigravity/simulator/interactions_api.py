"""The Interactions API: create, retrieve, cancel and delete."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from antigravity.simulator import wire_formats
from antigravity.simulator.encoders.events import Context, Event, sse
from antigravity.simulator.encoders.interactions import (
    encode_events,
    encode_response,
    encode_steps,
)
from antigravity.simulator.errors import ApiError, refuse
from antigravity.simulator.parsers import interactions as parser
from antigravity.simulator.request_handler import Call, query_of
from antigravity.simulator.responder import Responder, Result
from antigravity.simulator.script import Script
from antigravity.simulator.state import BoundedDict
from antigravity.simulator.validation import interactions as validation


@dataclass
class _Stored:
    """An interaction with its conversation; ``key`` is the API key of its creator.

    ``running`` says that it still runs in the background.
    """

    key: str
    steps: list[dict[str, Any]]
    made: list[dict[str, Any]]
    body: dict[str, Any]
    events: list[Event]
    running: bool = False


class InteractionsApi:
    """The interactions of all keys; each key sees its own."""

    def __init__(self, responder: Responder) -> None:
        self._responder = responder
        self._stored: BoundedDict[_Stored] = BoundedDict(1_000)

    def create(self, call: Call) -> Result:
        """Run an interaction, and store it."""

        def find_earlier(name: str) -> list[Any]:
            found = self._find(name, call.key)
            return [*found.steps, *found.made]

        name, body, steps = validation.check(call.body, find_earlier)
        view = parser.parse(name, body, steps)
        stream = body.get("stream") is True
        in_background = body.get("background") is True
        background = in_background and not stream

        def store(script: Script, context: Context) -> None:
            if body.get("store") is False:
                return
            whole = encode_response(script, context)
            events = list(encode_events(script, context))
            made = encode_steps(script, context)
            running = background or (in_background and script.fault is not None)
            stored = _Stored(call.key, steps, made, whole, events, running)
            self._stored.put(whole["id"], stored)

        wire_format = wire_formats.INTERACTIONS
        if background:
            wire_format = replace(
                wire_format, encode_response=lambda *made: _running(encode_response(*made))
            )
        return self._responder.respond(
            call.request, wire_format, view, stream, call.key, done=store
        )

    def stored(self, call: Call, name: str) -> dict[str, Any] | bytes:
        """Return or delete a stored interaction."""
        found = self._find(name, call.key)
        if call.request.method == b"DELETE":
            self._stored.drop(name)
            return {}
        query = query_of(call.request)
        if query.get("stream") == "true":
            call.request.setHeader(b"content-type", b"text/event-stream")
            return b"".join(data for data, _ in sse(_after(found, query.get("last_event_id"))))
        body = _running(found.body) if found.running else found.body
        found.running = False  # it ends between two calls
        return {**body, "input": found.steps} if query.get("include_input") == "true" else body

    def cancel(self, call: Call, name: str) -> dict[str, Any]:
        """Cancel an interaction that runs in the background."""
        found = self._find(name, call.key)
        if not found.running:
            refuse("Only background interactions that still run can be cancelled.", "id")
        found.running = False
        found.body = {**found.body, "status": "cancelled", "steps": []}
        return found.body

    def _find(self, name: str, key: str) -> _Stored:
        found = self._stored.get(name)
        if found is None or found.key != key:
            raise ApiError(404, f"Interaction {name} is not found.")
        return found


def _running(body: dict[str, Any]) -> dict[str, Any]:
    """Return an interaction as it is while it runs."""
    left = {name: value for name, value in body.items() if name not in ("steps", "usage")}
    return {**left, "status": "in_progress"}


def _after(found: _Stored, last: str | None) -> list[Event]:
    """Return the events after one of them."""
    if not last:
        return found.events
    ids = [event.value.get("event_id") if event.name != "done" else "" for event in found.events]
    if last not in ids:
        refuse(f"Unknown last_event_id {last}.", "last_event_id")
    return found.events[ids.index(last) + 1 :]
