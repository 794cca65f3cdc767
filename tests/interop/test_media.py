"""Images and documents, both ways."""

from __future__ import annotations

import base64

import pytest

from tests.interop.samples import PDF, PNG, SEEN_PDF, SEEN_PNG
from tests.interop.sdk_drivers import Conversation, Mode, SdkDriver
from tests.interop.targets import EVERY, TARGETS, Target, name

MODES: tuple[Mode, ...] = ("whole", "stream")


@pytest.mark.parametrize("target", EVERY, ids=name)
def test_image_reaches_model(url: str, sdk: SdkDriver, target: Target) -> None:
    answer = Conversation(sdk, url, target.model).send("Look:", PNG)
    assert answer.text == f"Look:\n{SEEN_PNG}"
    assert answer.input_tokens > 200


@pytest.mark.parametrize("target", EVERY, ids=name)
def test_document_reaches_model(url: str, sdk: SdkDriver, target: Target) -> None:
    conversation = Conversation(sdk, url, target.model)
    assert conversation.send("Read:", PDF, PNG).text == f"Read:\n{SEEN_PDF}\n{SEEN_PNG}"
    # It is still there later in the conversation.
    assert conversation.send("[[say And now?]]").input_tokens > 500


@pytest.mark.sdks("chat", "responses", "genai", "interactions", "generativeai")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "model",
    [
        "demo-openai-chat/gpt-5.1",
        "demo-openai-responses/gpt-5.1",
        "demo-gemini_api/gemini-3.1-flash-image",
        "demo-codeassist/gemini-3.1-flash-image",
    ],
)
def test_model_returns_image(url: str, sdk: SdkDriver, model: str, mode: Mode) -> None:
    conversation = Conversation(sdk, url, model, mode, images=sdk.name != "generativeai")
    answer = conversation.send("[[image]]")
    [image] = answer.images
    assert image.startswith(b"\x89PNG\r\n\x1a\n")
    assert answer.finish == "stop"
    assert answer.output_tokens > 200
    assert base64.b64encode(image)


@pytest.mark.sdks("anthropic")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("target", TARGETS, ids=name)
def test_image_becomes_note_where_protocol_has_none(
    url: str, sdk: SdkDriver, target: Target, mode: Mode
) -> None:
    answer = Conversation(sdk, url, target.model, mode).send("[[image]]")
    assert "image" in answer.text
    assert answer.finish == "stop"
