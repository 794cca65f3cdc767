"""The table of what is lost between protocols is what the encoders do."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from msgspec.structs import replace

from antigravity.ir.capabilities import Capabilities, Target
from antigravity.ir.errors import InvalidRequestError
from antigravity.ir.media import FileReference, InlineData
from antigravity.ir.parts import (
    CacheControl,
    Citation,
    Media,
    SearchResult,
    Text,
    ToolCall,
    ToolResult,
    WebSearch,
)
from antigravity.ir.request import Message, Request, Sampling
from antigravity.ir.tools import FunctionTool, HostedTool, WebSearchTool
from antigravity.lowering.pipeline import lower
from antigravity.plugins import PluginHost
from tests.house.pages import table

COLUMNS = ("openai_chat", "openai_responses", "anthropic", "gemini")
ABLE = Capabilities(
    max_output_tokens=4000,
    inputs=("image", "document", "audio", "video"),
    raw_schema=True,
    web_search=True,
    web_search_with_tools=True,
    media_in_tool_results=True,
    fields=("verbosity", "service_tier"),
)
FUNCTION = FunctionTool("look", "", {"type": "object", "properties": {}})
QUESTION = Message("user", (Text("Hello!"),))
PLAIN = Request("m", (QUESTION,), "elsewhere", max_output_tokens=2000)
IMAGE = Media("image", InlineData("iVBORw0KGgo="), "image/png")


SOUND = Media("audio", InlineData("UklGRg=="), "audio/wav")


def asked(*parts: Any) -> Request:
    """Return a request in which the user says something else."""
    return replace(PLAIN, messages=(Message("user", parts),))


def sampled(**values: Any) -> Request:
    return replace(PLAIN, sampling=Sampling(**values))


def conversation_with(*parts: Any) -> Request:
    """Return a conversation in which the assistant has said something."""
    return replace(PLAIN, messages=(QUESTION, Message("assistant", parts), QUESTION))


def looked(result: ToolResult) -> Request:
    """Return a conversation in which a tool has answered."""
    call = Message("assistant", (ToolCall("call_1", "look", "{}"),))
    return replace(PLAIN, tools=(FUNCTION,), messages=(QUESTION, call, Message("user", (result,))))


REQUESTS: dict[str, tuple[Request, ...]] = {
    "top_k": (sampled(top_k=5),),
    "seed, penalties": (sampled(seed=1), sampled(presence_penalty=0.5)),
    "log probabilities": (sampled(logprobs=True, top_logprobs=2),),
    "n above 1": (sampled(n=3),),
    "temperature above 1": (sampled(temperature=1.5),),
    "output limit above the model's": (replace(PLAIN, max_output_tokens=5000),),
    "verbosity, service tier": (
        replace(PLAIN, verbosity="low"),
        replace(PLAIN, service_tier="flex"),
    ),
    "cache breakpoints": (
        replace(PLAIN, messages=(Message("user", (Text("Hello!", cache=CacheControl()),)),)),
    ),
    "error mark of a tool result": (looked(ToolResult("call_1", (Text("no"),), True, "look")),),
    "media in tool results": (looked(ToolResult("call_1", (IMAGE,), False, "look")),),
    "hosted tool of another provider": (
        replace(PLAIN, tools=(HostedTool("abacus", "elsewhere", {"type": "abacus"}), FUNCTION)),
    ),
    "limits of a web search": (
        replace(PLAIN, tools=(WebSearchTool(max_uses=3, allowed_domains=("a.example",)),)),
    ),
    "file stored at another provider": (
        replace(
            PLAIN,
            messages=(
                Message(
                    "user",
                    (Text("Look!"), Media("image", FileReference("f", "elsewhere"), "image/png")),  # type: ignore[arg-type]
                ),
            ),
        ),
    ),
    "audio with text": (asked(Text("Hello!"), SOUND),),
    "video with text": (asked(Text("Hello!"), Media("video", InlineData("AAAA"), "video/mp4")),),
    "audio without text": (asked(SOUND),),
    "cachedContent of Google": (
        replace(
            PLAIN, protocol="gemini_elsewhere", extensions={"cachedContent": "cachedContents/a"}
        ),
    ),
    "web search without the live web": (
        replace(PLAIN, tools=(WebSearchTool(live=False), FUNCTION)),
    ),
    "citations in the history": (
        conversation_with(Text("t", (Citation("https://a.example", start=0, end=1),))),
    ),
    "web searches in the history": (
        conversation_with(
            WebSearch("ws_1", ("q",), (SearchResult("https://a.example"),)), Text("t")
        ),
    ),
}


@cache
def clients() -> dict[str, Any]:
    host = PluginHost()
    host.load(installed=False)
    return host.registry.clients


def outcome(request: Request, name: str) -> str:
    """Return what becomes of a request at a protocol: kept, noted or refused."""
    client = clients()[name]
    target = Target("m", ABLE)
    try:
        lowered = lower(request, client.traits, target)
        encoded = client.encode(lowered.request, target)
    except InvalidRequestError:
        return "refused"
    return "noted" if lowered.losses + encoded.warnings else "kept"


def test_plain_requests_have_no_losses() -> None:
    assert {outcome(PLAIN, name) for name in COLUMNS} == {"kept"}


def test_every_row_of_loss_table_has_requests() -> None:
    rows = table("docs/protocols.rst", "Part of the request")
    assert [row[0] for row in rows] == list(REQUESTS)


@pytest.mark.parametrize(
    "row", table("docs/protocols.rst", "Part of the request"), ids=lambda row: row[0]
)
def test_row_of_loss_table_is_correct(row: list[str]) -> None:
    for name, claim in zip(COLUMNS, row[1:], strict=True):
        for request in REQUESTS[row[0]]:
            match claim.split()[0].strip(",:"):
                case "kept" | "unnoted":
                    expected = "kept"
                case "refused":
                    expected = "refused"
                case _:
                    expected = "noted"
            assert outcome(request, name) == expected, (name, claim)
