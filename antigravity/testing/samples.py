"""Sample requests that clients of any protocol can send."""

from __future__ import annotations

from typing import Final

from antigravity.ir.media import InlineData
from antigravity.ir.parts import Media, Text, Thinking, ToolCall, ToolResult
from antigravity.ir.request import Message, Request, ResponseFormat, Sampling, ThinkingConfig
from antigravity.ir.signature import Signature
from antigravity.ir.tools import FunctionTool, HostedTool, ToolChoice, WebSearchTool

_PNG: Final = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAG7buVgAAAABJRU5ErkJggg=="
)
_PARAMETERS: Final = {"type": "object", "properties": {"city": {"type": "string"}}}


def _request(*messages: Message, **more: object) -> Request:
    return Request("a-model", messages, "check", stream=True, **more)  # type: ignore[arg-type]


def _user(*parts: Text | Media | ToolResult) -> Message:
    return Message("user", parts)


#: A description, and the request.
SAMPLES: Final = (
    ("a question", _request(_user(Text("Hello")))),
    (
        "a request with a system prompt and parameters",
        _request(
            _user(Text("Hello")),
            system=(Text("Be brief."),),
            sampling=Sampling(temperature=0.5, top_p=0.9, seed=1),
            stop=("END",),
            max_output_tokens=100,
            thinking=ThinkingConfig("on", budget=1024),
            response_format=ResponseFormat("schema", schema=_PARAMETERS),
        ),
    ),
    (
        "a request with tools, a call and its result",
        _request(
            _user(Text("What is the weather?")),
            Message("assistant", (Text("I look."), ToolCall("c1", "weather", '{"city": "Paris"}'))),
            _user(ToolResult("c1", (Text("Sunny"),), name="weather")),
            tools=(FunctionTool("weather", "Looks.", _PARAMETERS), FunctionTool("bare")),
            tool_choice=ToolChoice("auto"),
        ),
    ),
    (
        "a request with tools that the provider runs",
        _request(
            _user(Text("News?")),
            tools=(WebSearchTool(), HostedTool("code_execution", "check", {"run": {}})),
        ),
    ),
    (
        "a request with an image",
        _request(_user(Text("Look"), Media("image", InlineData(_PNG), "image/png"))),
    ),
    (
        "a history with thinking of another family",
        _request(
            _user(Text("Hello")),
            Message("assistant", (Thinking("Hm.", Signature("c2ln", "unknown")), Text("Hi!"))),
            _user(Text("And now?")),
        ),
    ),
)
