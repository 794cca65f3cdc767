"""Google's ``predict``, both sides."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.ir.call import Call, ReplyContext
from antigravity.ir.capabilities import Target
from antigravity.ir.errors import GatewayError, InvalidRequestError, UpstreamError
from antigravity.ir.events import (
    Finish,
    MediaOutput,
    RefusalDelta,
    ResponseStart,
    StreamFailure,
    TextDelta,
)
from antigravity.ir.images import ImageOptions
from antigravity.ir.media import InlineData
from antigravity.ir.parts import Media, Text
from antigravity.ir.request import Message, Request, Sampling
from antigravity.ir.response import Response, fold
from antigravity.protocols.gemini.protocol import GEMINI_CLIENT, GEMINI_SERVER
from antigravity.protocols.imagen.client import imagen_client
from antigravity.protocols.imagen.server import imagen_server
from antigravity.sse import ServerSentEvent

CLIENT, SERVER = imagen_client(GEMINI_CLIENT), imagen_server(GEMINI_SERVER)
TARGET = Target("imagen-4.0-generate-001")


def encoded(*messages: Message, **fields: Any) -> tuple[dict[str, Any], list[str]]:
    said = CLIENT.encode(Request("m", messages, "openai_images", **fields), TARGET)
    return json.loads(said.body), [loss.detail for loss in said.warnings]


def user(*parts: Any) -> Message:
    return Message("user", tuple(Text(p) if isinstance(p, str) else p for p in parts))


def test_request_with_all_parameters_is_encoded() -> None:
    config = {"aspectRatio": "16:9", "imageSize": "2K", "mimeType": "image/jpeg"}
    body, losses = encoded(
        user("a cat"),
        sampling=Sampling(n=3),
        image_config={**config, "personGeneration": "dont_allow"},
    )
    assert body == {
        "instances": [{"prompt": "a cat"}],
        "parameters": {
            "sampleCount": 3,
            "aspectRatio": "16:9",
            "sampleImageSize": "2K",
            "personGeneration": "dont_allow",
            "includeRaiReason": True,
            "outputOptions": {"mimeType": "image/jpeg"},
        },
    }
    assert losses == []


def test_last_turn_of_a_conversation_is_the_prompt() -> None:
    picture = Media("image", InlineData("AAAA"), "image/png")
    body, losses = encoded(
        user("hello"),
        Message("assistant", (Text("hi"),)),
        user("a dog", picture, "in a hat"),
        system=(Text("In oil."),),
    )
    assert body["instances"] == [{"prompt": "In oil.\na dog\nin a hat"}]
    assert len(losses) == 2
    assert "all turns but the last" in losses[0]


def test_request_without_text_is_refused() -> None:
    with pytest.raises(InvalidRequestError):
        encoded(user("  "))


def decoded(body: Any) -> list[Any]:
    decoder = CLIENT.decoder(Request("m", (), "openai_images"), TARGET)
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return [*decoder.decode(ServerSentEvent("", data)), *decoder.close()]


def test_predictions_become_images_and_finish_reasons() -> None:
    start, *events = decoded(
        {
            "predictions": [
                {"mimeType": "image/jpeg", "bytesBase64Encoded": "AAAA"},
                {"raiFilteredReason": "no people"},
            ]
        }
    )
    assert start == ResponseStart("", TARGET.model)
    assert events == [
        MediaOutput("image/jpeg", InlineData("AAAA"), choice=0),
        Finish("stop", choice=0),
        RefusalDelta("no people", 1),
        Finish("content_filter", choice=1),
    ]


def test_filtered_response_has_no_image() -> None:
    _, refusal, finish = decoded({})
    assert isinstance(refusal, RefusalDelta)
    assert finish == Finish("content_filter")


@given(st.binary(max_size=30))
def test_malformed_responses_are_failures(data: bytes) -> None:
    events = decoded(data)
    assert isinstance(events[-1], StreamFailure | Finish)


def test_missing_body_is_a_failure() -> None:
    decoder = CLIENT.decoder(Request("m", (), "openai_images"), TARGET)
    assert isinstance(decoder.close()[0], StreamFailure)


# -- the server's side ----------------------------------------------------------------------


def call(body: Any, model: str = "imagen-4.0-generate-001") -> Call:
    return Call(SERVER.routes[0], {"model": model}, {}, {}, json.dumps(body).encode())


def test_call_is_decoded() -> None:
    asked = call(
        {
            "instances": [{"prompt": "a cat"}],
            "parameters": {
                "sampleCount": 2,
                "aspectRatio": "3:4",
                "sampleImageSize": "2K",
                "outputOptions": {"mimeType": "image/jpeg", "compressionQuality": 80},
                "negativePrompt": "dogs",
                "includeRaiReason": True,
            },
        }
    )
    request = SERVER.decode(asked)
    assert SERVER.peek(asked).model == request.model == "imagen-4.0-generate-001"
    assert request.messages == (user("a cat"),)
    assert request.sampling.n == 2
    assert request.image == ImageOptions(
        3, 4, is_ratio=True, resolution="2K", format="jpeg", compression=80
    )
    assert request.extensions == {"negativePrompt": "dogs"}
    assert SERVER.decode(call({"instances": [{"prompt": "x"}]})).sampling.n == 4
    assert SERVER.with_model(asked, "other") is asked.body


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "instances"),
        ({"instances": []}, "instances"),
        ({"instances": [{"prompt": "a"}, {"prompt": "b"}]}, "instances"),
        ({"instances": [{}]}, "instances[0].prompt"),
        (
            {"instances": [{"prompt": "a"}], "parameters": {"sampleCount": 9}},
            "parameters.sampleCount",
        ),
        (
            {"instances": [{"prompt": "a"}], "parameters": {"aspectRatio": "wide"}},
            "parameters.aspectRatio",
        ),
        (
            {"instances": [{"prompt": "a"}], "parameters": {"sampleImageSize": "9K"}},
            "parameters.sampleImageSize",
        ),
    ],
)
def test_invalid_parameters_are_refused(body: Any, param: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        SERVER.decode(call(body))
    assert refused.value.param == param


def written(response: Response) -> Any:
    asked = call({"instances": [{"prompt": "x"}]})
    context = ReplyContext(asked, SERVER.decode(asked), "m", 0, str)
    return json.loads(SERVER.encode_response(response, context).body)["predictions"]


def test_response_becomes_predictions() -> None:
    image = MediaOutput("image/png", InlineData("AAAA"))
    refused = [RefusalDelta("no", 1), Finish("content_filter", choice=1)]
    response = fold([TextDelta("Here"), image, Finish("stop"), *refused])
    assert written(response) == [
        {"mimeType": "image/png", "bytesBase64Encoded": "AAAA"},
        {"raiFilteredReason": "no"},
    ]
    failed = Response(response.id, "", response.choices[:1], failures=(UpstreamError("broke"),))
    assert written(failed)[1] == {"raiFilteredReason": "broke"}


def test_errors_have_googles_shape() -> None:
    reply = SERVER.encode_error(GatewayError("it broke"), "req_1")
    assert json.loads(reply.body)["error"]["message"] == "it broke"
