"""Images and documents, both ways."""

from __future__ import annotations

import base64

import pytest

from tests.interop.dialect import Dialect, Mode, Talk
from tests.interop.material import PDF, PNG, SEEN_PDF, SEEN_PNG
from tests.interop.targets import EVERY, TARGETS, Target, name

MODES: tuple[Mode, ...] = ("whole", "stream")


@pytest.mark.parametrize("target", EVERY, ids=name)
def test_an_image_is_seen(url: str, dialect: Dialect, target: Target) -> None:
    answer = Talk(dialect, url, target.model).say("Look:", PNG)
    assert answer.text == f"Look:\n{SEEN_PNG}"
    assert answer.input_tokens > 200


@pytest.mark.parametrize("target", EVERY, ids=name)
def test_a_document_is_read(url: str, dialect: Dialect, target: Target) -> None:
    talk = Talk(dialect, url, target.model)
    assert talk.say("Read:", PDF, PNG).text == f"Read:\n{SEEN_PDF}\n{SEEN_PNG}"
    # It is still there later in the conversation.
    assert talk.say("[[say And now?]]").input_tokens > 500


@pytest.mark.dialects("chat", "responses", "genai", "generativeai")
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
def test_an_image_is_made(url: str, dialect: Dialect, model: str, mode: Mode) -> None:
    talk = Talk(dialect, url, model, mode, images=dialect.name != "generativeai")
    answer = talk.say("[[image]]")
    [image] = answer.images
    assert image.startswith(b"\x89PNG\r\n\x1a\n")
    assert answer.finish == "stop"
    assert answer.output_tokens > 200
    assert base64.b64encode(image)


@pytest.mark.dialects("anthropic")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("target", TARGETS, ids=name)
def test_where_a_protocol_has_no_images_it_says_so(
    url: str, dialect: Dialect, target: Target, mode: Mode
) -> None:
    answer = Talk(dialect, url, target.model, mode).say("[[image]]")
    assert "image" in answer.text
    assert answer.finish == "stop"
