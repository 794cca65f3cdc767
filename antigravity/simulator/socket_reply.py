"""A response over WebSocket, in place of one over HTTP."""

# ruff: noqa: N802 - names that Twisted calls

from __future__ import annotations

import json
from typing import Any, Protocol


class Socket(Protocol):
    """A connection."""

    is_full: bool

    def send(self, value: Any, lane: str | None) -> None:
        """Send a message."""

    def abort(self) -> None:
        """Break the connection off."""


class _Channel:
    """What a fault of the connection closes."""

    def __init__(self, socket: Socket) -> None:
        self.loseConnection = socket.abort


class SocketReply:
    """Takes what would be the response over HTTP, and sends its events as messages."""

    def __init__(self, socket: Socket, lane: str | None, message: dict[str, Any]) -> None:
        self.channel = _Channel(socket)
        self.producer: Any = None
        self.remembered: tuple[str, list[Any]] | None = None
        self.message = message
        #: Input for the response while it is running: ids and items.
        self.steers: list[tuple[str, list[Any]]] = []
        self._socket = socket
        self._lane = lane

    def setHeader(self, name: bytes, value: bytes) -> None:
        """Drop a header: messages have none."""

    def setResponseCode(self, code: int) -> None:
        """Drop the status of a response that has begun."""

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Let the client's pace rule the response."""
        self.producer = producer
        if self._socket.is_full:
            producer.pauseProducing()

    def unregisterProducer(self) -> None:
        """Forget the producer."""
        self.producer = None

    def remember(self, name: str, items: list[Any]) -> None:
        """Note the whole conversation of the response, for its end."""
        self.remembered = (name, items)

    def write(self, data: bytes) -> None:
        """Send the events in ``data``."""
        for block in data.decode("utf-8", "replace").split("\n\n"):
            lines = [line for line in block.split("\n") if not line.startswith("event:")]
            text = "\n".join(line.removeprefix("data: ") for line in lines)
            if text:
                self._socket.send(_as_message(text), self._lane)


def _as_message(text: str) -> Any:
    """Return an event as a message; errors have a form of their own."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    if not isinstance(value, dict) or value.get("type") != "error":
        return value
    error = {name: value.pop(name, None) for name in ("code", "message", "param")}
    return {**value, "error": {**error, "type": "server_error"}}
