"""A session of the Responses API over WebSocket without a connection."""

from __future__ import annotations

import itertools
import json
from typing import Any

from antigravity.interfaces.sockets import (
    Action,
    Computation,
    SessionContext,
    SessionRequest,
    Steer,
)
from antigravity.ir.errors import GatewayError
from antigravity.protocols.openai_responses.socket.session import ResponsesSession

NOT_FOUND = "previous_response_not_found"


class Store(dict[str, bytes]):
    """A store that forgets nothing."""

    def put(self, key: str, value: bytes) -> bool:
        self[key] = value
        return True

    def delete(self, key: str) -> bool:
        return self.pop(key, None) is not None


class Peer:
    """A session, and what it wants."""

    def __init__(self, max_waiting_bytes: int = 0) -> None:
        ids = itertools.count(1)
        self.store = Store()
        self.session = ResponsesSession(
            SessionContext(
                "c",
                self.store,
                lambda prefix: f"{prefix}{next(ids)}",
                lambda: 1e9,
                max_waiting_bytes,
            )
        )
        self.requests: list[SessionRequest] = []
        self.messages: list[Any] = []
        self.computations: list[Computation] = []

    def compute(self) -> None:
        """Compute what must be computed first."""
        computation = self.computations.pop(0)
        try:
            result = computation.function()
        except GatewayError as error:
            self.perform(computation.failed(error))
        else:
            self.perform(computation.then(result))

    def perform(self, actions: Any) -> None:
        each: Action
        for each in actions:
            if isinstance(each, SessionRequest):
                self.requests.append(each)
            elif isinstance(each, Steer):
                assert each.steering.send is not None
                each.steering.send(each.text)
            elif isinstance(each, Computation):
                self.computations.append(each)
            else:
                self.messages.append(json.loads(each))

    def send(self, kind: str, **members: Any) -> None:
        self.perform(self.session.receive(json.dumps({"type": kind, **members}).encode()))

    def create(self, **members: Any) -> None:
        self.send("response.create", model="m", **{"input": "hi", "store": False, **members})

    def complete(self, response_id: str, *output: Any, ticket: int | None = None) -> None:
        """Let the last request, or that with a ticket, end well."""
        number = self.requests[-1].ticket if ticket is None else ticket
        response = {"id": response_id, "output": output, "previous_response_id": None}
        self.perform(self.session.feed(number, event("response.completed", response=response)))
        self.perform(self.session.end(number))

    def fail(self, status: int = 500, code: str | None = None) -> None:
        """Let the last request fail before it begins."""
        body = json.dumps({"error": {"message": "No.", "code": code}}).encode()
        self.perform(self.session.reply(self.requests[-1].ticket, status, (), body))

    @property
    def body(self) -> Any:
        """The body of the last request."""
        return json.loads(self.requests[-1].body)

    @property
    def error(self) -> Any:
        """The error in the last message."""
        assert self.messages[-1]["type"] in ("error", "response.steer.failed")
        return self.messages[-1]["error"]


def event(kind: str, **members: Any) -> bytes:
    return f"data: {json.dumps({'type': kind, **members})}\n\n".encode()


def user(text: str) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": text}


def call(call_id: str) -> dict[str, Any]:
    return {"type": "function_call", "id": f"fc_{call_id}", "call_id": call_id, "name": "f"}


def output(call_id: str) -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call_id, "output": "1"}
