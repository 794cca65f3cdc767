"""What the upstream is sent says all that chat can say, and losses are declared."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from zope.interface.verify import verifyObject

from antigravity.interfaces.protocols import IClientProtocol, IStreamDecoder, ITap
from antigravity.ir.capabilities import Capabilities, Target
from antigravity.ir.errors import InvalidRequestError, UpstreamError
from antigravity.ir.media import FileReference, InlineData, UrlSource
from antigravity.ir.parts import (
    CacheControl,
    Media,
    Opaque,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    WebSearch,
)
from antigravity.ir.request import (
    Message,
    Request,
    ResponseFormat,
    Sampling,
    ThinkingConfig,
)
from antigravity.ir.signature import Signature
from antigravity.ir.tools import (
    CustomTool,
    FunctionTool,
    HostedTool,
    ToolChoice,
    WebSearchTool,
)
from antigravity.protocols.openai_chat.protocol import OPENAI_CHAT_CLIENT, OPENAI_CHAT_SERVER
from tests.protocols.openai_chat.builders import call

CLIENT = OPENAI_CHAT_CLIENT
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
ABLE = Target(
    "up",
    Capabilities("openai", thinking="level", efforts=EFFORTS, web_search=True),
    frozenset(
        (
            "reasoning_content",
            "cache_control",
            "top_k",
            "image_config",
            "allowed_tools",
            "service_tier",
            "verbosity",
            "prompt_cache_key",
            "metadata",
            "store",
        )
    ),
)
PLAIN = Target("up", Capabilities("openai"))


def request(*messages: Message, **fields: Any) -> Request:
    return Request("m", messages or (Message("user", (Text("hi"),)),), "openai_chat", **fields)


def sent(request: Request, target: Target = ABLE) -> tuple[dict[str, Any], set[str]]:
    """The body, and the fields that were lost."""
    encoded = CLIENT.encode(request, target)
    return json.loads(encoded.body), {loss.field for loss in encoded.warnings}


def wire(*messages: Message, target: Target = ABLE) -> list[dict[str, Any]]:
    return sent(request(*messages), target)[0]["messages"]


def test_client_provides_its_interface() -> None:
    assert verifyObject(IClientProtocol, CLIENT)
    assert verifyObject(IStreamDecoder, CLIENT.decoder(request(), ABLE))
    assert verifyObject(ITap, CLIENT.tap())
    assert CLIENT.encode_count(request(), ABLE) is None
    with pytest.raises(UpstreamError):
        CLIENT.decode_count(b"{}")


# Decoding what was encoded

_word = st.text("abc é\n", min_size=1, max_size=6)
_name = st.text("abc_-", min_size=1, max_size=6)
_cache = st.none() | st.builds(CacheControl, st.sampled_from([None, "1h"]))
_text = st.builds(Text, _word, cache=_cache)
_inline = st.builds(
    lambda raw: InlineData(base64.b64encode(raw).decode()), st.binary(min_size=1, max_size=5)
)
_media = st.one_of(
    st.builds(
        Media,
        st.just("image"),
        _inline,
        st.sampled_from(["image/png", "image/webp"]),
        st.sampled_from([None, "low", "high"]),
        cache=_cache,
    ),
    st.builds(Media, st.just("image"), st.just(UrlSource("https://x/y"))),
    st.builds(Media, st.just("image"), st.just(FileReference("gs://a/b", "google"))),
    st.builds(Media, st.just("audio"), _inline, st.sampled_from(["audio/wav", "audio/mpeg"])),
    st.builds(Media, st.just("video"), _inline, st.just("video/mp4")),
    st.builds(Media, st.just("document"), _inline, st.just("application/pdf"), title=_name),
    st.builds(
        Media, st.just("document"), st.just(FileReference("f1", "openai")), title=st.none() | _name
    ),
)
_schema = st.dictionaries(_name, st.integers() | _word, max_size=2)
_parameters = st.dictionaries(_name, st.integers() | _word, min_size=1, max_size=2)


@st.composite
def _turns(draw: st.DrawFn) -> tuple[Message, ...]:
    """A conversation: questions, answers with calls, and all their results."""
    messages: list[Message] = []
    number = 0
    for _ in range(draw(st.integers(1, 4))):
        parts = draw(st.lists(_text | _media, min_size=1, max_size=3))
        messages.append(Message("user", tuple(parts), draw(st.none() | _name)))
        said: list[Any] = []
        if draw(st.booleans()):
            said.append(Thinking(draw(_word)))
        if draw(st.booleans()):
            said.append(Text(draw(_word)))
        calls = draw(st.integers(0, 2))
        if not calls and not (said and isinstance(said[-1], Text)):
            said.append(Text(draw(_word)))
        results = []
        for _ in range(calls):
            number += 1
            kind = draw(st.sampled_from(["function", "custom"]))
            arguments = draw(_word) if kind == "custom" else '{"a": 1}'
            said.append(ToolCall(f"c{number}", draw(_name), arguments, kind))
            content = draw(st.lists(_text, max_size=2))
            results.append(
                ToolResult(f"c{number}", tuple(content), name=draw(st.none() | _name), kind=kind)
            )
        messages.append(Message("assistant", tuple(said)))
        if results:
            messages.append(Message("user", tuple(results)))
        if draw(st.booleans()):
            messages.append(Message("system", tuple(draw(st.lists(_text, min_size=1, max_size=2)))))
    return tuple(messages)


_tools = st.lists(
    st.one_of(
        st.builds(
            FunctionTool,
            _name,
            _word | st.just(""),
            _parameters,
            st.none() | st.just(True),
            cache=_cache,
        ),
        st.builds(CustomTool, _name, _word, st.none() | st.just({"type": "text"})),
        st.just(HostedTool("magic", "openai_chat", {"type": "magic", "x": 1})),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda tool: getattr(tool, "name", ""),
)
_sampling = st.builds(
    Sampling,
    st.none() | st.floats(0, 2),
    st.none() | st.floats(0, 1),
    st.none() | st.integers(1, 50),
    st.none() | st.integers(0, 9),
    st.none() | st.floats(-2, 2),
    st.none() | st.floats(-2, 2),
    st.none() | st.booleans(),
    st.none() | st.integers(0, 20),
    st.integers(1, 8),
).map(lambda sample: sample if sample.logprobs else replace(sample, top_logprobs=None))
_thinking = st.one_of(
    st.just(ThinkingConfig()),
    st.just(ThinkingConfig("off")),
    st.builds(ThinkingConfig, st.just("on"), effort=st.sampled_from(EFFORTS[1:])),
)
_format = st.one_of(
    st.just(ResponseFormat()),
    st.just(ResponseFormat("json")),
    st.builds(
        ResponseFormat,
        st.just("schema"),
        _name,
        st.none() | _word,
        st.none() | _schema,
        st.none() | st.booleans(),
    ),
)


@st.composite
def _requests(draw: st.DrawFn) -> Request:
    tools = tuple(draw(st.just([]) | _tools))
    choice = None
    if tools:
        names = [tool.name for tool in tools if isinstance(tool, FunctionTool | CustomTool)]
        mode = draw(st.sampled_from(["auto", "none", "required"]))
        some = tuple(draw(st.lists(st.sampled_from(names), unique=True))) if names else ()
        choice = draw(st.none() | st.just(ToolChoice(mode, () if mode == "none" else some)))
    if draw(st.booleans()):
        place = draw(st.none() | st.just({"type": "approximate", "city": "Bonn"}))
        tools = (*tools, WebSearchTool(user_location=place))
    word = st.none() | _name
    metadata = draw(st.dictionaries(_name, _word, max_size=2))
    extensions = draw(st.dictionaries(st.sampled_from(["logit_bias", "store", "zz"]), _schema))
    form, spoken = draw(_format), draw(st.booleans())
    words = (Text("JSON"),) if form.kind == "json" else ()
    return Request(
        model="up",
        messages=draw(_turns()),
        protocol="openai_chat",
        system=(*words, *draw(st.lists(_text, max_size=2))),
        stream=True,
        tools=tools,
        tool_choice=choice,
        parallel_tool_calls=draw(st.none() | st.booleans()) if choice else None,
        sampling=draw(_sampling),
        stop=tuple(draw(st.lists(_word, max_size=4))),
        max_output_tokens=draw(st.none() | st.integers(1, 9)),
        thinking=draw(_thinking),
        response_format=form,
        modalities=("text", "audio") if spoken else draw(st.sampled_from([(), ("text",)])),
        image_config=draw(st.none() | st.just({"aspect_ratio": "1:1"})),
        audio_config={"voice": "v", "format": "pcm16"} if spoken else None,
        metadata=metadata,
        user=draw(word),
        prompt_cache_key=draw(word),
        service_tier=draw(word),
        verbosity=draw(word),
        extensions={**extensions, "store": True} if metadata else extensions,
    )


@given(_requests())
def test_encoded_request_is_decoded_unchanged(request: Request) -> None:
    encoded = CLIENT.encode(request, ABLE)
    assert encoded.warnings == ()
    assert OPENAI_CHAT_SERVER.decode(call(encoded.body)) == request


@given(_requests(), st.sampled_from(["gemini", "claude", "other"]))
def test_any_target_gets_a_body_that_can_be_decoded(request: Request, family: Any) -> None:
    weak = Target("up", Capabilities(family, sampling=False, logprobs=False, max_choices=1))
    encoded = CLIENT.encode(request, weak)
    assert b"cache_control" not in encoded.body
    assert b"reasoning" not in encoded.body
    lost = {loss.field for loss in encoded.warnings}
    back = OPENAI_CHAT_SERVER.decode(call(encoded.body))
    assert back.sampling.n == 1
    assert back.sampling.temperature is None
    assert ("sampling.temperature" in lost) is (request.sampling.temperature is not None)
    assert ("sampling.n" in lost) is (request.sampling.n > 1)
    assert ("thinking" in lost) is (request.thinking.mode == "on")
    if family != "other":
        assert ("user" in lost) is (request.user is not None)


# Messages


def test_results_follow_their_calls_despite_turns_between() -> None:
    found = wire(
        Message("user", (Text("q"),)),
        Message("assistant", (ToolCall("a", "f"),)),
        Message("assistant", (ToolCall("b", "g"),)),
        Message("user", (Text("x"), ToolResult("b", (Text("2"),)))),
        Message("system", (Text("s"),)),
        Message("user", (ToolResult("a", (Text("1"),)),)),
    )
    assert [m.get("tool_call_id", m["role"]) for m in found] == [
        "user",
        "assistant",
        "a",
        "assistant",
        "b",
        "user",
        "system",
    ]


def test_an_id_used_twice_belongs_to_the_nearest_call() -> None:
    turn = (Message("assistant", (ToolCall("a", "f"),)), Message("user", (ToolResult("a"),)))
    assert [m["role"] for m in wire(*turn, *turn)] == ["assistant", "tool", "assistant", "tool"]


def test_images_of_results_move_behind_all_results() -> None:
    image = Media("image", InlineData("AAAA"), "image/png")
    body, lost = sent(
        request(
            Message("assistant", (ToolCall("a", "f"), ToolCall("b", "f"))),
            Message("user", (ToolResult("a", (Text("see"), image)), ToolResult("b"), Text("go"))),
        )
    )
    found = body["messages"]
    assert [m["role"] for m in found] == ["assistant", "tool", "tool", "user", "user"]
    assert found[1]["content"][0]["text"] == "see"
    assert "a" in found[3]["content"][0]["text"]
    assert found[3]["content"][1]["image_url"]["url"] == "data:image/png;base64,AAAA"
    assert found[4]["content"] == "go"
    assert lost == {"messages.tool_result.media"}


def test_assistant_turn_with_calls_only_has_null_content() -> None:
    (found,) = wire(Message("assistant", (ToolCall("a", "f"),)))
    assert found["content"] is None


USER = Message("user", (Text("hi"),))


def test_assistant_turn_without_content_is_left_out() -> None:
    asked = {"role": "user", "content": "hi"}
    assert wire(USER, Message("assistant", ())) == [asked]
    assert wire(USER, Message("assistant", (Text(""),))) == [asked]
    assert wire(USER, Message("assistant", (Thinking("hm"),))) == [asked]
    thinker = Target("up", Capabilities(), frozenset({"reasoning_content"}))
    request = Request("m", (USER, Message("assistant", (Thinking("hm"),))), "anthropic")
    assert json.loads(CLIENT.encode(request, thinker).body)["messages"] == [asked]


def test_texts_of_assistant_turn_are_joined() -> None:
    parts = (Text("a"), Text("b"), ToolCall("c", "f"), Text("d"))
    assert wire(Message("assistant", parts))[0]["content"] == "ab\n\nd"


def test_thinking_is_sent_only_to_upstreams_with_reasoning_content() -> None:
    message = Message("assistant", (Thinking("hm"), Text("x")))
    assert wire(message)[0]["reasoning_content"] == "hm"
    body, lost = sent(request(message), PLAIN)
    assert "reasoning_content" not in body["messages"][0]
    assert lost == {"messages.thinking"}


@pytest.mark.parametrize(
    ("target", "maker", "kept"),
    [("gemini", "gemini", True), ("gemini", "claude", False), ("openai", "gemini", False)],
)
def test_signatures_are_sent_to_their_family_only(target: Any, maker: str, kept: bool) -> None:
    message = Message("assistant", (ToolCall("a", "f", signature=Signature("sig", maker)),))
    body, lost = sent(request(message), Target("up", Capabilities(target)))
    found = body["messages"][0]["tool_calls"][0].get("extra_content")
    assert found == ({"google": {"thought_signature": "sig"}} if kept else None)
    assert lost == (set() if kept else {"messages.signature"})


def test_unsupported_content_is_reported_as_loss() -> None:
    _, lost = sent(
        request(
            Message("assistant", (WebSearch("s"), Opaque("anthropic", "x", {}), Text("y"))),
            Message("user", (ToolResult("o", is_error=True),)),
            tools=(HostedTool("k", "gemini"), WebSearchTool()),
            tool_choice=ToolChoice("required"),
            stop=("a", "b", "c", "d", "e"),
            image_config={"a": 1},
            sampling=Sampling(top_k=4),
        ),
        PLAIN,
    )
    assert lost == {
        "messages.web_search",
        "messages.x",
        "messages.tool_result.is_error",
        "tools.k",
        "tools.web_search",
        "tool_choice",
        "stop",
        "image_config",
        "sampling.top_k",
    }


def test_fields_of_other_protocols_stay_away() -> None:
    foreign = replace(request(), protocol="anthropic", extensions={"x": 1}, metadata={"a": "b"})
    body, lost = sent(foreign)
    assert "x" not in body
    assert "metadata" not in body
    assert lost == {"metadata"}  # extensions are reported for all upstreams alike


def test_plain_text_documents_are_text() -> None:
    data = base64.b64encode(b"words").decode()
    media = Media("document", InlineData(data), "text/plain", title="T")
    assert wire(Message("user", (media,)))[0]["content"] == "T:\nwords"


@pytest.mark.parametrize(
    "media",
    [
        Media("document", UrlSource("https://x/y.pdf")),
        Media("image", FileReference("f", "anthropic")),
        Media("audio", UrlSource("https://x")),
    ],
)
def test_media_that_cannot_be_sent_are_refused(media: Media) -> None:
    with pytest.raises(InvalidRequestError, match=media.kind):
        sent(request(Message("user", (media,))))


# Quirks and thinking


def test_minimal_request_is_encoded() -> None:
    body, lost = sent(request(system=(Text("s"),), max_output_tokens=5), PLAIN)
    assert body == {
        "model": "up",
        "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "hi"}],
        "max_tokens": 5,
        "stream": False,
    }
    assert lost == set()
    streamed, _ = sent(request(system=(Text("s"),), max_output_tokens=5, stream=True), PLAIN)
    usage = {"include_usage": True}
    assert streamed == {**body, "stream": True, "stream_options": usage}


def test_limit_is_max_completion_tokens_where_supported() -> None:
    model = Target("up", Capabilities("openai", fields=("max_completion_tokens",)))
    upstream = Target("up", quirks=frozenset(("max_completion_tokens",)))
    refusing = Target("up", model.capabilities, frozenset(("no_max_completion_tokens",)))
    asked = request(max_output_tokens=5)
    assert sent(asked, model)[0]["max_completion_tokens"] == 5
    assert sent(asked, upstream)[0]["max_completion_tokens"] == 5
    for target in (PLAIN, refusing):
        body, _ = sent(asked, target)
        assert body["max_tokens"] == 5
        assert "max_completion_tokens" not in body


def test_quirks_change_the_request() -> None:
    quirks = frozenset(("no_stream_options", "max_tokens", "developer_role"))
    target = Target("up", quirks=quirks)
    body, _ = sent(request(system=(Text("s", cache=CacheControl()),), max_output_tokens=5), target)
    assert body["max_tokens"] == 5
    assert "stream_options" not in body
    assert body["messages"][0] == {"role": "developer", "content": "s"}


def test_cache_breakpoints_are_sent_only_where_supported() -> None:
    asked = request(
        Message("user", (Text("a", cache=CacheControl("1h")),)),
        Message("assistant", (ToolCall("c", "f"),)),
        Message("user", (ToolResult("c", (Text("r"),), cache=CacheControl()),)),
        tools=(FunctionTool("f", cache=CacheControl()),),
    )
    body, lost = sent(asked)
    assert lost == set()
    assert body["messages"][0]["content"][0]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
    assert body["messages"][2]["content"][0]["cache_control"] == {"type": "ephemeral"}
    assert body["tools"][0]["cache_control"] == {"type": "ephemeral"}
    encoded = CLIENT.encode(asked, PLAIN)
    assert b"cache_control" not in encoded.body
    assert [loss.field for loss in encoded.warnings] == ["cache"]


@pytest.mark.parametrize(
    ("thinking", "efforts", "expected", "lossy"),
    [
        (ThinkingConfig(), EFFORTS, None, False),
        (ThinkingConfig("on"), EFFORTS, None, False),
        (ThinkingConfig("on", budget=1999), EFFORTS, "low", True),
        (ThinkingConfig("on", budget=2000), EFFORTS, "medium", True),
        (ThinkingConfig("on", budget=7000), EFFORTS, "high", True),
        (ThinkingConfig("adaptive", effort="max"), EFFORTS, "max", False),
        (ThinkingConfig("on", effort="max"), ("low", "high"), "high", True),
        (ThinkingConfig("on", effort="minimal"), ("none", "low"), "low", True),
        (ThinkingConfig("off"), EFFORTS, "none", False),
        (ThinkingConfig("off"), ("minimal", "low"), "minimal", True),
        (ThinkingConfig("on", effort="high"), (), None, True),
        (ThinkingConfig("off"), (), None, False),
    ],
)
def test_effort_is_encoded(
    thinking: ThinkingConfig, efforts: Any, expected: Any, lossy: bool
) -> None:
    kind = "level" if efforts else "none"
    target = Target("up", Capabilities("openai", thinking=kind, efforts=efforts))
    body, lost = sent(request(thinking=thinking), target)
    assert body.get("reasoning_effort") == expected
    assert lost == ({"thinking"} if lossy else set())
