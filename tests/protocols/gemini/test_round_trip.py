"""What is encoded for Gemini and decoded as Gemini is the same, but for declared losses."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from antigravity.ir.capabilities import Capabilities, Target
from antigravity.ir.events import Event, StreamFailure
from antigravity.ir.media import FileReference, InlineData
from antigravity.ir.parts import Media, Part, Text, ToolCall, ToolResult
from antigravity.ir.request import Message, Request, ResponseFormat, Sampling, ThinkingConfig
from antigravity.ir.response import Choice, Response, fold
from antigravity.ir.signature import Signature
from antigravity.ir.tools import FunctionTool, HostedTool, ToolChoice, WebSearchTool
from antigravity.ir.usage import Usage
from antigravity.protocols.gemini.protocol import GEMINI_CLIENT, GEMINI_SERVER
from antigravity.sse import SseDecoder
from tests.protocols.gemini.builders import context, decode, patient

CAPABILITIES = Capabilities(
    "gemini",
    thinking="budget",
    max_budget=32768,
    raw_schema=True,
    web_search_with_tools=True,
    hosted_tools_with_functions=True,
    media_resolution=True,
    media_in_tool_results=True,
)
TARGET = Target("gemini-x", CAPABILITIES)

words = st.text("abc {}\"'ü\n", min_size=1, max_size=10).filter(
    lambda text: text.strip() and not text.strip().startswith("{")
)
names = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
native = st.none() | st.just(Signature("c2ln", "gemini"))
media = st.builds(
    Media,
    kind=st.just("image"),
    source=st.sampled_from([InlineData("aGk="), FileReference("gs://b/x", "google")]),
    mime_type=st.just("image/png"),
    detail=st.sampled_from([None, "low", "high"]),
)
plain_media = st.just(Media("image", InlineData("aGk="), "image/png"))
objects = st.dictionaries(words, st.integers() | words | st.just(0.5), max_size=3)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[Message, ...]:
    """Return turns that alternate, with calls that are answered."""
    messages: list[Message] = []
    counter = 0
    for _ in range(draw(st.integers(1, 3))):
        asked = draw(st.lists(st.builds(Text, words) | media, min_size=1, max_size=3))
        said: list[Part] = list(
            draw(st.lists(st.builds(Text, words, signature=native), max_size=2))
        )
        calls = []
        for _ in range(draw(st.integers(0, 3))):
            counter += 1
            arguments = json.dumps(draw(objects), separators=(",", ":"), ensure_ascii=False)
            calls.append(ToolCall(f"id{counter}", draw(names), arguments, signature=draw(native)))
        results: list[Part] = [
            ToolResult(
                each.id,
                tuple(draw(st.lists(st.builds(Text, words), max_size=1)))
                + tuple(draw(st.lists(plain_media, max_size=1))),
                draw(st.booleans()),
                each.name,
            )
            for each in calls
        ]
        if messages and messages[-1].role == "user":
            last = messages.pop()
            asked = [*last.parts, *asked]  # type: ignore[list-item]
        messages.append(Message("user", tuple(asked)))
        if said or calls:
            messages.append(Message("assistant", (*said, *calls)))
        if results:
            messages.append(Message("user", tuple(results)))
    return tuple(messages)


schemas = st.fixed_dictionaries(
    {"type": st.just("object"), "properties": st.dictionaries(names, st.just({"type": "string"}))}
)
tools = st.lists(
    st.builds(FunctionTool, name=names, description=words, parameters=st.none() | schemas),
    max_size=3,
    unique_by=lambda tool: tool.name,
).map(lambda found: tuple(sorted(found, key=lambda tool: tool.name)))
extra_tools = st.sampled_from(
    [(), (WebSearchTool(),), (HostedTool("url_context", "gemini", {"urlContext": {}}),)]
)
thinking = st.sampled_from(
    [
        ThinkingConfig(),
        ThinkingConfig("off"),
        ThinkingConfig("on", 512, include=True),
        ThinkingConfig("adaptive", include=False),
        ThinkingConfig(include=True),
    ]
)


def settled(sample: Sampling) -> Sampling:
    """Return a wish that can be told: how many log probabilities only where any are wanted."""
    return sample if sample.logprobs else replace(sample, top_logprobs=None)


sampling = st.builds(
    Sampling,
    temperature=st.none() | st.floats(0, 2),
    top_p=st.none() | st.floats(0, 1),
    top_k=st.none() | st.integers(1, 99),
    seed=st.none() | st.integers(0, 99),
    presence_penalty=st.none() | st.floats(-2, 2),
    frequency_penalty=st.none() | st.floats(-2, 2),
    logprobs=st.none() | st.booleans(),
    top_logprobs=st.none() | st.integers(1, 5),
    n=st.integers(1, 8),
).map(settled)


@patient
@given(
    conversations(),
    tools,
    extra_tools,
    thinking,
    sampling,
    st.sampled_from(
        [
            ResponseFormat(),
            ResponseFormat("json"),
            ResponseFormat("schema", schema={"type": "array"}),
        ]
    ),
    st.lists(words, max_size=5).map(tuple),
    st.sampled_from([None, ToolChoice(), ToolChoice("none"), ToolChoice("required", ("a",))]),
)
def test_encoded_requests_are_decoded_unchanged(
    messages: tuple[Message, ...],
    functions: tuple[FunctionTool, ...],
    more: Any,
    think: ThinkingConfig,
    sample: Sampling,
    form: ResponseFormat,
    stop: tuple[str, ...],
    choice: ToolChoice | None,
) -> None:
    mixed = bool(functions and more)
    config = {"toolConfig": {"includeServerSideToolInvocations": True}} if mixed else {}
    request = Request(
        "gemini-x",
        messages,
        "gemini",
        system=(Text("s"),),
        stream=True,
        tools=(*functions, *more),
        tool_choice=choice if functions and not (mixed and choice == ToolChoice()) else None,
        thinking=think,
        sampling=sample,
        response_format=form,
        stop=stop,
        max_output_tokens=60000,
        modalities=("text",),
        extensions={"safetySettings": [{"a": 1}], "generationConfig": {"newThing": 2}, **config},
    )
    encoded = GEMINI_CLIENT.encode(request, TARGET)
    assert not encoded.warnings
    assert decode(json.loads(encoded.body)) == request


answer_calls = st.lists(
    st.builds(ToolCall, id=words, name=names, arguments=st.just('{"a":1}'), signature=native),
    max_size=3,
    unique_by=lambda call: call.id,
)
answers = st.tuples(
    st.lists(st.builds(Text, words, signature=native), max_size=1), answer_calls
).map(lambda both: (*both[0], *both[1]))


@patient
@given(answers, st.integers(0, 99), st.integers(0, 99))
def test_response_is_decoded_to_the_same_parts(parts: Any, prompt: int, output: int) -> None:
    calls = any(isinstance(part, ToolCall) for part in parts)
    finish: Any = "tool_calls" if calls else "stop"
    choice = Choice(parts, finish, native_finish="STOP")
    response = Response("r", "real", (choice,), Usage(prompt, output=output))
    body = GEMINI_SERVER.encode_response(response, context()).body
    sse = SseDecoder()
    decoder = GEMINI_CLIENT.decoder(Request("m", (), "gemini"), TARGET)
    found: list[Event] = []
    for event in sse.feed(b"data: " + body + b"\n\n"):
        found += decoder.decode(event)
    found += decoder.close()
    assert not any(isinstance(event, StreamFailure) for event in found)
    assert fold(found) == response
