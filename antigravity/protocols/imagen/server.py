"""The server side of ``predict``, for all models with image output."""

from __future__ import annotations

from typing import Any, Final, NoReturn

from antigravity.interfaces.protocols import IServerProtocol
from antigravity.interfaces.server_traits import RequiredModalities, ServerTraits
from antigravity.ir.call import Call, Head, HttpReply, ReplyContext, Route
from antigravity.ir.errors import InvalidRequestError
from antigravity.ir.images import RESOLUTIONS, ImageOptions
from antigravity.ir.media import InlineData
from antigravity.ir.parts import Media, Text
from antigravity.ir.request import Message, Request, Sampling
from antigravity.ir.response import Response
from antigravity.protocols.imagen.schema import DEFAULT_COUNT, NAME, Parameters, PredictRequest
from antigravity.protocols.json_body import bad_field, convert, decode_object
from antigravity.protocols.replies import json_reply
from antigravity.protocols.server_protocol import ServerProtocol

_KNOWN: Final = frozenset(Parameters.__struct_encode_fields__)
#: Parameters of the response, not of the image.
_IGNORED: Final = frozenset({"includeRaiReason", "includeSafetyAttributes"})


def imagen_server(google: IServerProtocol) -> ServerProtocol:
    """Return the server of ``models/NAME:predict``; ``google`` encodes its errors."""
    return ServerProtocol(
        name=NAME,
        routes=tuple(
            Route("POST", f"{version}/models/{{model...}}:predict", "generate")
            for version in ("/v1beta", "/v1")
        ),
        traits=ServerTraits(required_modalities=RequiredModalities(output="image")),
        peek=_peek,
        decode=_decode,
        encoder=_refuse_stream,
        encode_response=_encode_response,
        encode_error=google.encode_error,
    )


def _peek(call: Call) -> Head:
    """Return the model in the path."""
    decode_object(call.body, dict[str, Any])
    return Head(call.arguments["model"].removeprefix("models/"), False)


def _decode(call: Call) -> Request:
    """Return the request.

    :raises InvalidRequestError: naming the field at fault.
    """
    body = decode_object(call.body, PredictRequest)
    if len(body.instances) != 1:
        raise bad_field("instances", "must have exactly one instance")
    prompt = body.instances[0].prompt
    if not prompt.strip():
        raise bad_field("instances[0].prompt", "is required")
    parameters: Parameters = convert(body.parameters, Parameters, "parameters")
    unknown = body.parameters.keys() - _KNOWN - _IGNORED
    return Request(
        model=_peek(call).model,
        messages=(Message("user", (Text(prompt),)),),
        protocol=NAME,
        modalities=("image",),
        sampling=Sampling(n=parameters.sample_count or DEFAULT_COUNT),
        image=_options(parameters),
        extensions={name: body.parameters[name] for name in sorted(unknown)},
    )


def _refuse_stream(context: ReplyContext) -> NoReturn:
    raise InvalidRequestError("predict cannot be streamed.")


def _encode_response(response: Response, context: ReplyContext) -> HttpReply:
    """Return the images, and the reasons why others are missing."""
    predictions: list[dict[str, Any]] = []
    for choice in response.choices:
        images = [
            {"mimeType": part.mime_type, "bytesBase64Encoded": part.source.data}
            for part in choice.parts
            if isinstance(part, Media) and isinstance(part.source, InlineData)
        ]
        reason = choice.refusal or choice.text or f"The model ended with {choice.finish}."
        predictions += images or [{"raiFilteredReason": reason}]
    predictions += [{"raiFilteredReason": error.message} for error in response.failures]
    return json_reply({"predictions": predictions})


def _options(parameters: Parameters) -> ImageOptions:
    width, height = _ratio(parameters.aspect_ratio)
    size = (parameters.sample_image_size or parameters.image_size or "").upper()
    if size and size not in RESOLUTIONS:
        raise bad_field(
            "parameters.sampleImageSize", "is not a known resolution", tuple(RESOLUTIONS)
        )
    options = parameters.output_options
    return ImageOptions(
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
