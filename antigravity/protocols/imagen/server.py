"""How to be a server of ``predict``: whatever draws is served as Imagen is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from zope.interface import implementer

from antigravity.interfaces.protocols import IServerProtocol, IStreamEncoder
from antigravity.interfaces.server_traits import RequiredModalities, ServerTraits
from antigravity.ir.call import Call, Head, HttpReply, ReplyContext, Route, TokenCount
from antigravity.ir.capabilities import Model
from antigravity.ir.errors import GatewayError, InvalidRequestError
from antigravity.ir.images import RESOLUTIONS, ImageWish
from antigravity.ir.media import InlineData
from antigravity.ir.parts import Media, Text
from antigravity.ir.request import Message, Request, Sampling
from antigravity.ir.response import Response
from antigravity.protocols.imagen.wire import DEFAULT_COUNT, NAME, Parameters, PredictRequest
from antigravity.protocols.json_body import bad_field, convert, decode_object

_KNOWN: Final = frozenset(Parameters.__struct_encode_fields__)
#: Wishes about the answer's form, not about the image.
_IGNORED: Final = frozenset({"includeRaiReason", "includeSafetyAttributes"})


@implementer(IServerProtocol)
class ImagenServer:
    """Serves ``models/NAME:predict``; ``google`` writes errors and lists."""

    name = NAME
    traits = ServerTraits(required_modalities=RequiredModalities(output="image"))
    keepalive = b""
    routes = tuple(
        Route("POST", f"{version}/models/{{model...}}:predict", "generate")
        for version in ("/v1beta", "/v1")
    )

    def __init__(self, google: IServerProtocol) -> None:
        self._google = google

    def peek(self, call: Call) -> Head:
        """Return the model in the path."""
        decode_object(call.body, dict[str, Any])
        return Head(call.arguments["model"].removeprefix("models/"), False)

    def decode(self, call: Call) -> Request:
        """Return the request.

        :raises InvalidRequestError: naming the field at fault.
        """
        body = decode_object(call.body, PredictRequest)
        if len(body.instances) != 1:
            raise bad_field("instances", "must hold one instance")
        prompt = body.instances[0].prompt
        if not prompt.strip():
            raise bad_field("instances[0].prompt", "is required")
        parameters: Parameters = convert(body.parameters, Parameters, "parameters")
        unknown = body.parameters.keys() - _KNOWN - _IGNORED
        return Request(
            model=self.peek(call).model,
            messages=(Message("user", (Text(prompt),)),),
            protocol=NAME,
            modalities=("image",),
            sampling=Sampling(n=parameters.sample_count or DEFAULT_COUNT),
            image=_wish(parameters),
            extensions={name: body.parameters[name] for name in sorted(unknown)},
        )

    def with_model(self, call: Call, model: str) -> bytes:
        """Return the body: the model stands in the path."""
        return call.body

    def encoder(self, context: ReplyContext) -> IStreamEncoder:
        """Fail: there are no streams."""
        raise InvalidRequestError("predict has no streams.")

    def encode_response(self, response: Response, context: ReplyContext) -> HttpReply:
        """Return the images, and why others are missing."""
        predictions: list[dict[str, Any]] = []
        for choice in response.choices:
            images = [
                {"mimeType": part.mime_type, "bytesBase64Encoded": part.source.data}
                for part in choice.parts
                if isinstance(part, Media) and isinstance(part.source, InlineData)
            ]
            said = choice.refusal or choice.text or f"The model ended with {choice.finish}."
            predictions += images or [{"raiFilteredReason": said}]
        predictions += [{"raiFilteredReason": error.message} for error in response.failures]
        return HttpReply(200, msgspec.json.encode({"predictions": predictions}))

    def encode_count(self, count: TokenCount, call: Call) -> HttpReply:
        """Return a count; no route of this protocol asks for one."""
        reply: HttpReply = self._google.encode_count(count, call)
        return reply

    def encode_models(self, models: Sequence[Model], call: Call) -> HttpReply:
        """Return the list of models; the route belongs to generateContent."""
        reply: HttpReply = self._google.encode_models(models, call)
        return reply

    def encode_model(self, model: Model, call: Call) -> HttpReply:
        """Return one model."""
        reply: HttpReply = self._google.encode_model(model, call)
        return reply

    def encode_error(self, error: GatewayError, request_id: str) -> HttpReply:
        """Return the error in Google's shape."""
        reply: HttpReply = self._google.encode_error(error, request_id)
        return reply


def _wish(parameters: Parameters) -> ImageWish:
    width, height = _ratio(parameters.aspect_ratio)
    size = (parameters.sample_image_size or parameters.image_size or "").upper()
    if size and size not in RESOLUTIONS:
        raise bad_field("parameters.sampleImageSize", "is no resolution", tuple(RESOLUTIONS))
    options = parameters.output_options
    return ImageWish(
        width,
        height,
        is_ratio=True,
        resolution=size,
        format=(options.mime_type or "").removeprefix("image/") if options else "",
        compression=options.compression_quality if options else None,
    )


def _ratio(text: str | None) -> tuple[int, int]:
    if not text:
        return 0, 0
    across, _, down = text.partition(":")
    if len(text) > 20 or not (across.isdigit() and down.isdigit() and int(across) and int(down)):
        raise bad_field("parameters.aspectRatio", "must be a ratio, such as 16:9")
    return int(across), int(down)
