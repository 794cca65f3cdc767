"""Replacements of the client's protocol in one branch of a request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace
from zope.interface import implementer

from antigravity.interfaces.protocols import IStreamEncoder
from antigravity.interfaces.server_traits import ServerTraits
from antigravity.ir.call import HttpReply, ReplyContext
from antigravity.ir.errors import GatewayError
from antigravity.ir.events import Event, StreamFailure
from antigravity.ir.response import Response

Relay = Callable[[Event], None]


class WholeBranch:
    """Collects the whole response of one branch."""

    keepalive = b""
    traits = ServerTraits()

    def __init__(self, protocol: Any) -> None:
        self.name: str = protocol.name
        self.response = Response()

    def encode_response(self, response: Response, context: ReplyContext) -> HttpReply:
        """Store the response."""
        self.response = response
        return HttpReply(200, b"")


class ImageBranch(WholeBranch):
    """Collects a response that the client's protocol can encode."""

    def __init__(self, protocol: Any) -> None:
        super().__init__(protocol)
        self.traits = protocol.traits
        self._protocol = protocol

    def encode_response(self, response: Response, context: ReplyContext) -> HttpReply:
        """Store the response.

        :raises GatewayError: if it has no image for the client.
        """
        self._protocol.encode_response(response, replace(context, publish=_publish_nothing))
        return super().encode_response(response, context)


def _publish_nothing(mime_type: str, data: str) -> str:
    return ""


class StreamingBranch:
    """Relays the events of one branch, once one of its attempts has begun."""

    keepalive = b""
    traits = ServerTraits()

    def __init__(self, protocol: Any, relay: Relay) -> None:
        self.name: str = protocol.name
        self._relay = relay
        self._encoder = _BranchEncoder()

    @property
    def failure(self) -> GatewayError | None:
        """The error that ended the response early, if any."""
        return self._encoder.failure

    def encoder(self, context: ReplyContext) -> IStreamEncoder:
        """Return the encoder of an attempt; events of the attempt before it are dropped."""
        self._encoder = _BranchEncoder()
        encoder: IStreamEncoder = self._encoder
        return encoder

    def release(self) -> None:
        """Relay the events that were held, and all later ones at once."""
        self._encoder.release(self._relay)


@implementer(IStreamEncoder)
class _BranchEncoder:
    """Holds events until they may be relayed; never returns bytes."""

    content_type = "text/event-stream"

    def __init__(self) -> None:
        self.failure: GatewayError | None = None
        self._held: list[Event] = []
        self._relay: Relay | None = None

    def encode(self, event: Event) -> bytes:
        """Hold or relay an event; a failure is only stored."""
        if isinstance(event, StreamFailure):
            self.failure = event.error
        elif self._relay is not None:
            self._relay(event)
        else:
            self._held.append(event)
        return b""

    def keepalive(self) -> bytes:
        """Return nothing: the merged stream has keep-alives of its own."""
        return b""

    def end(self) -> bytes:
        """Return nothing: the merged stream ends when all branches have ended."""
        return b""

    def release(self, relay: Relay) -> None:
        """Relay what was held, and everything from now on."""
        held, self._held = self._held, []
        self._relay = relay
        for event in held:
            relay(event)
