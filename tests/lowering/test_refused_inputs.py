"""Media, instructions and penalties that models and servers are known not to take."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from antigravity.ir.aspects import differences
from antigravity.ir.capabilities import Capabilities, Target, within
from antigravity.ir.errors import UnreadablePartError
from antigravity.ir.media import InlineData
from antigravity.ir.parts import Media, Part, Text
from antigravity.ir.request import Message, Request, Sampling
from antigravity.lowering.pipeline import lower
from antigravity.protocols.gemini.protocol import GEMINI_CLIENT
from antigravity.protocols.openai_chat.protocol import OPENAI_CHAT_CLIENT
from antigravity.routing.capability_table import load_table
from antigravity.upstreams.addresses import parse_base
from antigravity.upstreams.quirks import resolve_quirks

CHAT, GEMINI = OPENAI_CHAT_CLIENT, GEMINI_CLIENT
TABLE = load_table([])
PICTURE = Media("image", InlineData("iVBORw0KGgo="), "image/png")
PDF = Media("document", InlineData("JVBERi0xLjcK/w=="), "application/pdf")
SOUND = Media("audio", InlineData("UklGRg=="), "audio/wav")
FILM = Media("video", InlineData("AAAA/w=="), "video/mp4")
NOTES = Media(
    "document", InlineData(base64.b64encode(b"Buy milk.").decode()), "text/plain", title="notes"
)


def sent(client: Any, model: str, *parts: Part, base: str = "", **fields: Any) -> tuple[Any, Any]:
    """Return the body that an upstream gets, and the losses."""
    quirks = resolve_quirks((), [parse_base(base, "base_url")]) if base else frozenset()
    target = Target(model, within(TABLE.capabilities(model), quirks), quirks)
    asked = Request(model, (Message("user", parts),), "elsewhere", **fields)
    lowered = lower(asked, client.traits, target)
    encoded = client.encode(lowered.request, target)
    return json.loads(encoded.body), (*lowered.losses, *encoded.warnings)


@pytest.mark.parametrize(
    ("model", "base", "media", "taken"),
    [
        ("deepseek-v4", "", PICTURE, False),
        ("deepseek-ai/DeepSeek-V3.2", "", PDF, False),
        ("deepseek-vl2", "", PICTURE, True),
        ("glm-4.7", "", PICTURE, False),
        ("glm-4.6v", "", PICTURE, True),
        ("kimi-k2-0905-preview", "", PICTURE, False),
        ("kimi-k2.5", "", PICTURE, True),
        ("MiniMax-M2.5", "", PICTURE, False),
        ("openai/gpt-oss-120b", "", PICTURE, False),
        ("gpt-3.5-turbo", "", PICTURE, False),
        ("somebody/new-model", "", PICTURE, True),
        ("mistral-large-latest", "https://api.mistral.ai/v1", PICTURE, True),
        ("mistral-large-latest", "https://api.mistral.ai/v1", PDF, False),
        ("llava", "http://127.0.0.1:11434/v1", PICTURE, True),
        ("llava", "http://127.0.0.1:11434/v1", SOUND, False),
        ("grok-4", "https://api.x.ai/v1", FILM, False),
        ("new-model", "https://api.cerebras.ai/v1", PICTURE, False),
    ],
)
def test_media_are_sent_only_to_models_that_support_them(
    model: str, base: str, media: Media, taken: bool
) -> None:
    body, losses = sent(CHAT, model, Text("What is it?"), media, base=base)
    content = json.dumps(body["messages"][-1]["content"])
    assert (media.source.data in content) is taken  # type: ignore[union-attr]
    assert any(loss.content for loss in losses) is not taken
    if not taken:
        assert f"[{media.kind} left out" in content
        with pytest.raises(UnreadablePartError):
            sent(CHAT, model, media, base=base)


def test_document_of_text_is_sent_as_text_to_models_that_read_no_documents() -> None:
    body, losses = sent(CHAT, "deepseek-v4", NOTES)
    assert body["messages"] == [{"role": "user", "content": "notes:\nBuy milk."}]
    assert not any(loss.content for loss in losses)


def test_image_input_is_an_aspect_only_if_model_cannot_read_it() -> None:
    asked, served = TABLE.capabilities("gpt-4o"), TABLE.capabilities("deepseek-v4")
    assert "media" in differences(asked, served)
    assert "media" not in differences(asked, Capabilities(tools=False))


@pytest.mark.parametrize(
    ("base", "model", "joined"),
    [
        ("https://api.openai.com/v1", "gpt-4o", False),
        ("https://openrouter.ai/api/v1", "anthropic/claude-sonnet-4.5", False),
        ("https://api.groq.com/openai/v1", "llama-3.3-70b", True),
        ("https://api.deepseek.com", "deepseek-v4", True),
        ("https://llm.example.com/v1", "new-model", True),
        ("https://llm.example.com/v1", "gpt-5.1", False),
    ],
)
def test_texts_are_joined_if_content_must_be_a_string(base: str, model: str, joined: bool) -> None:
    system = (Text("You help."), Text("Be brief."))
    body, _ = sent(CHAT, model, Text("a"), Text("b"), base=base, system=system)
    contents = [message["content"] for message in body["messages"]]
    assert (contents == ["You help.\n\nBe brief.", "a\n\nb"]) is joined
    assert all(isinstance(content, str) for content in contents) is joined


@pytest.mark.parametrize(
    ("model", "taken"),
    [("gemini-2.0-flash", True), ("gemini-2.5-pro", False), ("gemini-3.1-pro", False)],
)
def test_penalties_are_sent_only_to_gemini_models_that_support_them(
    model: str, taken: bool
) -> None:
    sampling = Sampling(presence_penalty=0.5, frequency_penalty=0.5, temperature=1)
    body, losses = sent(GEMINI, model, Text("hi"), sampling=sampling)
    assert body["generationConfig"]["temperature"] == 1
    assert ("presencePenalty" in body["generationConfig"]) is taken
    assert ("frequencyPenalty" in body["generationConfig"]) is taken
    assert ("sampling" in {loss.field for loss in losses}) is not taken


@pytest.mark.parametrize("client", [GEMINI, CHAT], ids=["gemini", "chat"])
def test_instructions_become_user_turn_if_unsupported(client: Any) -> None:
    body, _ = sent(client, "gemma-3-27b-it", Text("hi"), system=(Text("You help."),))
    assert "systemInstruction" not in body
    turns = body.get("contents") or body["messages"]
    assert {turn["role"] for turn in turns} == {"user"}
    assert json.dumps(turns).index("You help.") < json.dumps(turns).index('"hi"')
