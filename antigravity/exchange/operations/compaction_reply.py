"""Server protocols in the place of the client's, while a conversation is compacted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from msgspec.structs import replace
from zope.interface import implementer

from antigravity.context.compaction import ITEM
from antigravity.interfaces.audio import IDeliberateEncoder
from antigravity.interfaces.protocols import IStreamEncoder
from antigravity.ir.call import Call, HttpReply, ReplyContext
from antigravity.ir.errors import GatewayError, UpstreamError
from antigravity.ir.events import (
    Event,
    Finish,
    FinishReason,
    OpaqueOutput,
    RefusalDelta,
    ResponseStart,
    StreamFailure,
    TextDelta,
    UsageUpdate,
)
from antigravity.ir.parts import Opaque
from antigravity.ir.response import Choice, Response
from antigravity.ir.usage import Usage

#: Returns the item with a summary, given its text.
Seal = Callable[[str], dict[str, Any]]
#: Returns the reply of the endpoint, given the item and the usage.
EncodeEndpoint = Callable[[dict[str, Any], Usage, ReplyContext], HttpReply]

_WHOLE: Final = frozenset(("stop", "stop_sequence"))


def read_whole_summary(text: str, finish: FinishReason, *, refused: bool = False) -> str:
    """Return the text of a summary.

    :raises UpstreamError: if the model has not written a whole one.
    """
    if text.strip() and finish in _WHOLE and not refused:
        return text
    if finish == "length":
        why = "its summary was cut off at the model's limit"
    elif refused or finish in ("refusal", "content_filter"):
        why = "the model refused to write a summary"
    else:
        why = "the model wrote no summary"
    raise UpstreamError(
        f"The conversation was not compacted: {why}; send it again, or use another model.",
        code="compaction_failed",
    )


class SummaryProtocol:
    """Encodes a model's summary as the item of a compaction.

    :param encode_endpoint: encodes a whole reply; ``None``: it is a response with the item.
    """

    def __init__(
        self, protocol: Any, seal: Seal, call: Call, encode_endpoint: EncodeEndpoint | None
    ) -> None:
        self.name: str = protocol.name
        self.keepalive: bytes = protocol.keepalive
        self.traits = protocol.traits
        if encode_endpoint is not None:  # what it returns is no response that can be continued
            self.traits = replace(protocol.traits, stored_responses=None)
        self._protocol = protocol
        self._seal = seal
        self._call = call
        self._encode_endpoint = encode_endpoint

    def encoder(self, context: ReplyContext) -> IStreamEncoder:
        """Return the encoder of the stream of a summary."""
        encoder: IStreamEncoder = SummaryEncoder(
            self._protocol.encoder(context), self.name, self._seal
        )
        return encoder

    def encode_response(self, response: Response, context: ReplyContext) -> HttpReply:
        """Return the reply with the item.

        :raises UpstreamError: if there is no summary.
        """
        choice = response.choices[0]
        text = read_whole_summary(choice.text, choice.finish, refused=bool(choice.refusal))
        item = self._seal(text)
        if self._encode_endpoint is not None:
            context = replace(context, call=self._call)  # with the stored history
            return self._encode_endpoint(item, response.usage, context)
        compacted = Choice((Opaque(self.name, ITEM, item),))
        reply: HttpReply = self._protocol.encode_response(
            replace(response, choices=(compacted,)), context
        )
        return reply


@implementer(IStreamEncoder, IDeliberateEncoder)
class SummaryEncoder:
    """Writes one item: it begins with the text of the summary, and ends with the response.

    :ivar failure: why there is no summary, once that is known.
    """

    def __init__(self, inner: Any, protocol: str, seal: Seal) -> None:
        self.content_type: str = inner.content_type
        self.failure: GatewayError | None = None
        self._inner = inner
        self._protocol = protocol
        self._seal = seal
        self._text: list[str] = []
        self._finish: Finish | None = None
        self._refused = False

    @property
    def begun(self) -> bool:
        """Whether there is text."""
        return bool(self._text)

    @property
    def final_response(self) -> bytes | None:
        """The response at the end of the stream; see ``StoredResponses``."""
        final: bytes | None = self._inner.final_response
        return final

    def encode(self, event: Event) -> bytes:
        """Return what an event adds: text only begins the item."""
        match event:
            case TextDelta() if event.text:
                begins = not self._text
                self._text.append(event.text)
                return self._write({}, complete=False) if begins else b""
            case RefusalDelta():
                self._refused = True
            case Finish():
                self._finish = event
            case ResponseStart() | UsageUpdate() | StreamFailure():
                return self._encode(event)
        return b""

    def keepalive(self) -> bytes:
        """Return bytes that clients ignore."""
        waiting: bytes = self._inner.keepalive()
        return waiting

    def end(self) -> bytes:
        """Return the end of the item and of the response, or its failure."""
        finish = self._finish
        if finish is None:
            ended: bytes = self._inner.end()
            return ended
        try:
            text = read_whole_summary("".join(self._text), finish.reason, refused=self._refused)
            item = self._seal(text)
        except GatewayError as error:
            self.failure = error
            return self._encode(StreamFailure(error))
        written = self._write(item, complete=True) + self._encode(Finish("stop"))
        end: bytes = self._inner.end()
        return written + end

    def _write(self, item: dict[str, Any], *, complete: bool) -> bytes:
        return self._encode(OpaqueOutput(self._protocol, ITEM, item, complete))

    def _encode(self, event: Event) -> bytes:
        encoded: bytes = self._inner.encode(event)
        return encoded


class PrefixedProtocol:
    """Puts the item of a compaction before the response that follows it."""

    def __init__(self, protocol: Any, item: dict[str, Any]) -> None:
        self.name: str = protocol.name
        self.keepalive: bytes = protocol.keepalive
        self.traits = protocol.traits
        self._protocol = protocol
        self._item = item

    def encoder(self, context: ReplyContext) -> IStreamEncoder:
        """Return an encoder that writes the item first."""
        encoder: IStreamEncoder = PrefixedEncoder(
            self._protocol.encoder(context), OpaqueOutput(self.name, ITEM, self._item)
        )
        return encoder

    def encode_response(self, response: Response, context: ReplyContext) -> HttpReply:
        """Return the reply with the item before the output."""
        choice, *others = response.choices
        parts = (Opaque(self.name, ITEM, self._item), *choice.parts)
        choices = (replace(choice, parts=parts), *others)
        reply: HttpReply = self._protocol.encode_response(
            replace(response, choices=choices), context
        )
        return reply


@implementer(IStreamEncoder)
class PrefixedEncoder:
    """Writes one output item before the first event with content."""

    def __init__(self, inner: Any, first: OpaqueOutput) -> None:
        self.content_type: str = inner.content_type
        self.keepalive = inner.keepalive
        self.end = inner.end
        self._inner = inner
        self._first = first
        self._is_written = False

    @property
    def final_response(self) -> bytes | None:
        """The response at the end of the stream; see ``StoredResponses``."""
        final: bytes | None = self._inner.final_response
        return final

    def encode(self, event: Event) -> bytes:
        """Return what an event adds, the item before the first one with content."""
        written: bytes = b""
        if not self._is_written and not isinstance(
            event, ResponseStart | UsageUpdate | StreamFailure
        ):
            self._is_written = True
            written = self._inner.encode(self._first)
        encoded: bytes = self._inner.encode(event)
        return written + encoded
