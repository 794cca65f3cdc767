"""The responses of a gateway under test."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from antigravity.sse import ServerSentEvent, SseDecoder


class GatewayResponse(Struct, frozen=True):
    """A complete HTTP response; ``headers`` have lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    def json(self) -> Any:
        """Return the body, decoded.

        :raises ValueError: if the body is not JSON.
        """
        return json.loads(self.body)

    def events(self) -> list[ServerSentEvent]:
        """Return the server-sent events in the body."""
        decoder = SseDecoder()
        return [*decoder.feed(self.body), *decoder.close()]

    def chunks(self) -> list[Any]:
        """Return the JSON of the server-sent events in the body, without ``[DONE]``."""
        return [json.loads(event.data) for event in self.events() if event.data != b"[DONE]"]
