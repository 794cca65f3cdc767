"""Requests that a target cannot serve as they are: refused, or changed and named."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from antigravity.ir.capabilities import Capabilities, Target, Traits
from antigravity.ir.errors import InvalidRequestError, UnreadablePartError
from antigravity.ir.media import FileReference, InlineData, MediaSource, UrlSource
from antigravity.ir.parts import Media, Opaque, Part, Text, ToolCall, ToolResult
from antigravity.ir.request import Message, Request
from antigravity.ir.tools import FunctionTool, HostedTool, ToolChoice, WebSearchTool
from antigravity.lowering.pipeline import Lowered, lower
from antigravity.protocols.anthropic.protocol import ANTHROPIC_CLIENT
from antigravity.protocols.gemini.protocol import GEMINI_CLIENT
from antigravity.protocols.openai_chat.protocol import OPENAI_CHAT_CLIENT
from antigravity.protocols.openai_responses.protocol import OPENAI_RESPONSES_CLIENT

CHAT, RESPONSES = OPENAI_CHAT_CLIENT.traits, OPENAI_RESPONSES_CLIENT.traits
ANTHROPIC, GEMINI = ANTHROPIC_CLIENT.traits, GEMINI_CLIENT.traits
BLOCK = Text("x-anthropic-billing-header: cc_version=2.1.117.48f; cc_entrypoint=cli; cch=71fea;")
SOUND = Media("audio", InlineData("UklGRg=="), "audio/wav")


def asked(*parts: Part, **fields: Any) -> Request:
    return Request("m", (Message("user", parts or (Text("hi"),)),), "elsewhere", **fields)


def lowered(request: Request, traits: Traits, family: Any = "other", **more: Any) -> Lowered:
    return lower(request, traits, Target("m", Capabilities(family=family, **more)), "mine")


# Claude Code's attribution block


@pytest.mark.parametrize("traits", [CHAT, RESPONSES, GEMINI], ids=["chat", "responses", "gemini"])
def test_attribution_block_is_dropped_for_other_protocols(traits: Traits) -> None:
    request = asked(system=(BLOCK, Text("You help.")))
    assert lowered(request, traits).request.system == (Text("You help."),)
    assert lowered(asked(system=(BLOCK,)), traits).request.system == ()


def test_attribution_block_is_sent_to_anthropic() -> None:
    request = asked(system=(BLOCK, Text("You help.")))
    assert lowered(request, ANTHROPIC).request.system == request.system


@pytest.mark.parametrize(
    "system",
    [
        (Text("You help."), BLOCK),
        (Text(f"{BLOCK.text}\nYou help."),),
        (Text("About x-anthropic-billing-header: ..."),),
    ],
    ids=["not first", "not alone", "not at the beginning"],
)
def test_other_instructions_are_unchanged(system: tuple[Text, ...]) -> None:
    assert lowered(asked(system=system), CHAT).request.system == system


# Files

FILES: dict[str, MediaSource] = {
    "openai": FileReference("file-1", "openai"),
    "anthropic": FileReference("file_1", "anthropic"),
    "google": FileReference("gs://b/x", "google"),
    "gs": UrlSource("gs://b/x"),
}


@pytest.mark.parametrize(
    ("traits", "family", "readable"),
    [
        (CHAT, "openai", {"openai"}),
        (CHAT, "other", set()),
        (RESPONSES, "openai", {"openai"}),
        (ANTHROPIC, "claude", {"anthropic"}),
        (ANTHROPIC, "glm", set()),
        (GEMINI, "gemini", {"google", "gs"}),
        (GEMINI, "claude", {"gs"}),
    ],
)
def test_files_are_readable_only_at_their_provider(
    traits: Traits, family: str, readable: set[str]
) -> None:
    for name, source in FILES.items():
        file = Media("document", source, "application/pdf")
        in_result = Request(
            "m",
            (
                Message("user", (Text("hi"),)),
                Message("assistant", (ToolCall("a", "f"),)),
                Message("user", (ToolResult("a", (file,)),)),
            ),
            "elsewhere",
        )
        for request in (asked(Text("read"), file), in_result):
            if name in readable:
                lowered(request, traits, family)
                continue
            with pytest.raises(UnreadablePartError) as caught:
                lowered(request, traits, family)
            assert caught.value.value in ("file-1", "file_1", "gs://b/x")
            assert caught.value.status == 400


def test_image_by_id_is_not_readable_over_chat() -> None:
    image = Media("image", FileReference("file-1", "openai"))
    with pytest.raises(UnreadablePartError):
        lowered(asked(Text("look"), image), CHAT, "openai")
    lowered(asked(Text("look"), image), RESPONSES, "openai")


def test_files_in_protocol_of_target_are_not_checked() -> None:
    file = Media("document", FileReference("file-1", "openai"))
    lower(asked(file), CHAT, Target("m"), "elsewhere")


# Media


def test_sole_medium_that_the_protocol_cannot_carry_is_refused() -> None:
    for request in (asked(SOUND), asked(SOUND, Text("  "))):
        with pytest.raises(UnreadablePartError, match="audio"):
            lowered(request, ANTHROPIC)
    with pytest.raises(UnreadablePartError):
        lowered(asked(SOUND), CHAT, inputs=("image",))


def test_medium_beside_something_readable_becomes_a_note() -> None:
    image = Media("image", InlineData("iVBORw0KGgo="), "image/png")
    for other in (Text("hear this"), image):
        found = lowered(asked(other, SOUND), ANTHROPIC)
        assert isinstance(found.request.messages[0].parts[1], Text)
        (loss,) = found.losses
        assert loss.content


def test_sole_medium_of_an_older_turn_becomes_a_note() -> None:
    request = Request(
        "m",
        (
            Message("user", (SOUND,)),
            Message("assistant", (Text("nice"),)),
            Message("user", (Text("go on"),)),
        ),
        "elsewhere",
    )
    found = lowered(request, ANTHROPIC)
    assert isinstance(found.request.messages[0].parts[0], Text)


def test_medium_in_a_tool_result_becomes_a_note() -> None:
    request = Request(
        "m",
        (
            Message("user", (Text("hi"),)),
            Message("assistant", (ToolCall("a", "f"),)),
            Message("user", (ToolResult("a", (SOUND,)),)),
        ),
        "elsewhere",
    )
    result = lowered(request, ANTHROPIC).request.messages[2].parts[0]
    assert isinstance(result, ToolResult)
    assert isinstance(result.parts[0], Text)


def test_document_of_text_can_be_sent_whatever_its_type() -> None:
    file = Media("document", InlineData("eyJhIjoxfQ=="), "application/json")
    assert lowered(asked(file), ANTHROPIC).losses == ()
    word = Media("document", InlineData("/w=="), "application/msword")
    with pytest.raises(UnreadablePartError):
        lowered(asked(word), ANTHROPIC)


def test_responses_accept_only_mp3_and_wav() -> None:
    assert lowered(asked(Text("?"), SOUND), RESPONSES).losses == ()
    ogg = Media("audio", InlineData("T2dnUw=="), "audio/ogg")
    (loss,) = lowered(asked(Text("?"), ogg), RESPONSES).losses
    assert loss.content


# Outputs


@pytest.mark.parametrize("traits", [ANTHROPIC, RESPONSES], ids=["anthropic", "responses"])
def test_output_modality_of_other_protocol_is_refused(traits: Traits) -> None:
    for kind in ("image", "audio"):
        with pytest.raises(InvalidRequestError, match=kind):
            lowered(asked(modalities=(kind,)), traits)
        lowered(asked(modalities=("text", kind)), traits)
        lowered(asked(modalities=(kind,)), CHAT)


def test_google_cached_content_is_refused_elsewhere() -> None:
    request = asked(extensions={"cachedContent": "cachedContents/a"})
    with pytest.raises(InvalidRequestError) as caught:
        lowered(request, CHAT)
    assert caught.value.param == "cachedContent"
    lower(request, GEMINI, Target("m"), "elsewhere")


def test_compaction_of_anthropic_is_refused_elsewhere() -> None:
    request = replace(asked(extensions={"compaction": {"type": "summarize"}}), protocol="anthropic")
    with pytest.raises(InvalidRequestError) as caught:
        lowered(request, CHAT)
    assert caught.value.param == "compaction"
    lower(request, CHAT, Target("m"), "anthropic")


@pytest.mark.parametrize(
    ("part", "tools", "value"),
    [
        (Opaque("anthropic", "container_upload", {"file_id": "file_1"}), (), "file_1"),
        (Opaque("openai_responses", "item_reference", {"id": "msg_1"}), (), "msg_1"),
        (
            Text("run"),
            (HostedTool("code_execution", "elsewhere", {"container": {"file_ids": ["file-1"]}}),),
            "file-1",
        ),
    ],
    ids=["upload", "item", "container"],
)
def test_content_by_id_is_refused_elsewhere(
    part: Part, tools: tuple[HostedTool, ...], value: str
) -> None:
    request = asked(Text("hi"), part, tools=tools)
    with pytest.raises(UnreadablePartError) as caught:
        lowered(request, GEMINI, "gemini")
    assert caught.value.value == value
    lower(request, GEMINI, Target("m"), "elsewhere")


def test_summary_of_a_compacted_history_becomes_text() -> None:
    wire = {"type": "compaction", "content": "We built a boat."}
    parts = (Opaque("anthropic", "compaction", wire), Text("so"))
    messages = (Message("user", (Text("hi"),)), Message("assistant", parts))
    request = Request("m", (*messages, Message("user", (Text("go on"),))), "anthropic")
    for traits in (CHAT, RESPONSES, GEMINI):
        said = lowered(request, traits).request.messages[1].parts
        assert said == (Text("We built a boat."), Text("so"))
    own = lower(request, ANTHROPIC, Target("m"), "anthropic").request
    assert own.messages[1].parts == parts


def test_message_name_is_warned_if_unsupported() -> None:
    request = Request("m", (Message("user", (Text("hi"),), "Ann"),), "elsewhere")
    assert [loss.field for loss in lowered(request, ANTHROPIC).losses] == ["messages.name"]
    assert lowered(request, CHAT).losses == ()


# Searches


@pytest.mark.parametrize("traits", [CHAT, ANTHROPIC, GEMINI], ids=["chat", "anthropic", "gemini"])
def test_search_without_live_web_is_dropped_with_warning(traits: Traits) -> None:
    function = FunctionTool("f")
    request = asked(
        tools=(WebSearchTool(live=False), function),
        tool_choice=ToolChoice("required", ("web_search",)),
    )
    found = lowered(request, traits, web_search=True)
    assert found.request.tools == (function,)
    assert found.request.tool_choice is None
    assert [(loss.field, loss.content) for loss in found.losses] == [("tools.web_search", True)]
    live = asked(tools=(WebSearchTool(),))
    assert lowered(live, traits, web_search=True).request.tools == (WebSearchTool(),)


def test_search_without_live_web_is_kept_for_openai() -> None:
    request = asked(tools=(WebSearchTool(live=False),))
    found = lowered(request, RESPONSES, "openai")
    body = OPENAI_RESPONSES_CLIENT.encode(found.request, Target("m")).body
    assert b'"external_web_access":false' in body
