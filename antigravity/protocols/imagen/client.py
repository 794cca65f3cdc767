"""The client side of ``predict``, whose prompt is the last turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from zope.interface import implementer

from antigravity.interfaces.protocols import (
    EncodedRequest,
    IClientProtocol,
    IStreamDecoder,
    ITap,
)
from antigravity.ir.capabilities import Loss, Target, Traits
from antigravity.ir.errors import (
    GatewayError,
    InvalidRequestError,
    UpstreamError,
    incomplete_response_error,
)
from antigravity.ir.events import (
    Event,
    Finish,
    MediaOutput,
    RefusalDelta,
    ResponseStart,
    StreamFailure,
)
from antigravity.ir.media import InlineData
from antigravity.ir.parts import Text
from antigravity.ir.request import Request
from antigravity.ir.usage import Usage
from antigravity.protocols import lenient
from antigravity.protocols.client_protocol import ClientProtocol
from antigravity.protocols.imagen.schema import NAME, PredictResponse
from antigravity.sse import ServerSentEvent

_MALFORMED: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
#: The names of Gemini's image configuration in this protocol.
_PARAMETER_NAMES: Final = {"aspectRatio": "aspectRatio", "imageSize": "sampleImageSize"}
_FILTERED: Final = "The provider's filter removed the whole response."


@implementer(ITap)
class _IdleTap:
    """A tap for a protocol without streams."""

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.finished = True
        self.meaningful = True
        self.failure: GatewayError | None = None

    def watch(self, event: ServerSentEvent) -> None:
        """Do nothing: there are no events."""


def imagen_client(google: IClientProtocol) -> ClientProtocol:
    """Return the client of Imagen; ``google`` decodes the same upstream's errors and lists."""
    return ClientProtocol(
        name=NAME,
        traits=Traits(
            family="gemini",
            max_choices=4,
            media=frozenset(),
            outputs=frozenset({"image"}),
            streams=False,
        ),
        encode=_encode,
        decoder=lambda request, target: PredictDecoder(target.model),
        make_tap=_IdleTap,
        decode_models=google.decode_models,
        decode_error=google.decode_error,
    )


def _encode(request: Request, target: Target) -> EncodedRequest:
    """Return the request.

    :raises InvalidRequestError: if there is no prompt.
    """
    prompt, losses = _prompt(request)
    config = dict(request.image_config or {})
    mime_type = config.pop("mimeType", None)
    parameters: dict[str, Any] = {
        "sampleCount": request.sampling.n,
        **{_PARAMETER_NAMES.get(key, key): value for key, value in config.items()},
        "includeRaiReason": True,
    }
    if mime_type:
        parameters["outputOptions"] = {"mimeType": mime_type}
    body = {"instances": [{"prompt": prompt}], "parameters": parameters}
    return EncodedRequest(msgspec.json.encode(body), tuple(losses))


def _prompt(request: Request) -> tuple[str, list[Loss]]:
    """Return the text of the last turn, after the system instructions."""
    losses: list[Loss] = []
    turns = [message for message in request.messages if message.role == "user"]
    last = turns[-1] if turns else None
    texts = [part.text for part in last.parts if isinstance(part, Text)] if last else []
    if len(request.messages) > 1:
        detail = "all turns but the last were left out"
        losses.append(Loss("messages", detail, content=True))
    if last is not None and len(texts) < len(last.parts):
        detail = "the model accepts text only; the rest was left out"
        losses.append(Loss("messages", detail, content=True))
    prompt = "\n".join(text for text in (*(t.text for t in request.system), *texts) if text.strip())
    if not prompt:
        raise InvalidRequestError(
            "The last turn has no text. Send a prompt for the image.", param="$.messages"
        )
    return prompt, losses


@implementer(IStreamDecoder)
class PredictDecoder:
    """Decodes one whole response; each image is a choice."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._seen = False

    def decode(self, event: ServerSentEvent) -> Sequence[Event]:
        """Return the events for the body."""
        self._seen = True
        try:
            response = lenient.decode(event.data, PredictResponse)
        except _MALFORMED as error:
            problem = UpstreamError(f"The upstream sent a malformed response: {error}.")
            return [ResponseStart("", self._model), StreamFailure(problem)]
        events: list[Event] = [ResponseStart("", self._model)]
        for index, prediction in enumerate(response.predictions):
            if prediction.bytes_base64_encoded:
                kind = prediction.mime_type or "image/png"
                source = InlineData(prediction.bytes_base64_encoded)
                events += [MediaOutput(kind, source, choice=index), Finish("stop", choice=index)]
            else:
                events += _filtered(prediction.rai_filtered_reason, index)
        if not response.predictions:
            events += _filtered(response.rai_filtered_reason, 0)
        return events

    def close(self) -> Sequence[Event]:
        """Return a failure if there was no body."""
        if self._seen:
            return ()
        return [StreamFailure(incomplete_response_error())]


def _filtered(reason: str | None, index: int) -> list[Event]:
    return [RefusalDelta(reason or _FILTERED, index), Finish("content_filter", choice=index)]
