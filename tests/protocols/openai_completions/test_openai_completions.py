"""Legacy completions: text in, text out, and a clear refusal of what a chat model can't do."""

from __future__ import annotations

import itertools
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import Completion
from zope.interface.verify import verifyObject

from antigravity.interfaces.protocols import IServerProtocol, IStreamEncoder
from antigravity.interfaces.server_traits import RequestedChoices
from antigravity.ir import errors
from antigravity.ir import events as ev
from antigravity.ir.call import Call, ReplyContext
from antigravity.ir.media import InlineData
from antigravity.ir.parts import Media, Text, Thinking
from antigravity.ir.request import Message, Request, Sampling, ThinkingConfig
from antigravity.ir.response import Choice, Response
from antigravity.ir.usage import Usage
from antigravity.protocols.openai_completions import request as requests_of
from antigravity.protocols.openai_completions.protocol import OPENAI_COMPLETIONS_SERVER

SERVER = OPENAI_COMPLETIONS_SERVER
TOKENS = [
    {"token": "Hel", "logprob": -0.5, "top_logprobs": [{"token": "Hel", "logprob": -0.5}]},
    {"token": "lo", "logprob": -0.25, "top_logprobs": []},
]


def call(**fields: Any) -> Call:
    body = msgspec.json.encode({"model": "m", "prompt": "Say hi", **fields})
    return Call(SERVER.routes[0], {}, {}, {}, body)


def context(**fields: Any) -> ReplyContext:
    ids = itertools.count()
    made = call(**fields)
    return ReplyContext(made, SERVER.decode(made), "m", 1_700_000_000, lambda p: f"{p}{next(ids)}")


def stream(events: list[ev.Event], **fields: Any) -> list[Any]:
    """Encode a stream, check its frame, and return its JSON values."""
    encoder = SERVER.encoder(context(stream=True, **fields))
    wire = b"".join(encoder.encode(event) for event in events) + encoder.end()
    assert encoder.end() == encoder.keepalive() == encoder.encode(ev.TextDelta("x")) == b""
    blocks = wire.decode().removesuffix("\n\n").split("\n\n")
    assert all(block.startswith("data: ") for block in blocks)
    assert blocks[-1] == "data: [DONE]"
    return [json.loads(block[6:]) for block in blocks[:-1]]


def test_server_provides_its_interfaces() -> None:
    assert verifyObject(IServerProtocol, SERVER)
    assert verifyObject(IStreamEncoder, SERVER.encoder(context()))


def test_request_fields_are_decoded() -> None:
    made = call(
        n=2,
        best_of=2,
        logprobs=3,
        max_tokens=9,
        stop="x",
        temperature=0.5,
        user="u",
        suffix="",
        stream=True,
        stream_options={"include_usage": True},
        logit_bias={"1": 2},
    )
    assert SERVER.peek(made).stream
    assert SERVER.decode(made) == Request(
        "m",
        (Message("user", (Text("Say hi"),)),),
        "openai_completions",
        stream=True,
        include_usage=True,
        sampling=Sampling(0.5, logprobs=True, top_logprobs=3, n=2),
        stop=("x",),
        max_output_tokens=9,
        thinking=ThinkingConfig(include=False),
        user="u",
        extensions={"logit_bias": {"1": 2}},
    )
    assert SERVER.decode(call(prompt=["one"])).messages[0].parts == (Text("one"),)
    assert json.loads(SERVER.with_model(made, "z"))["model"] == "z"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": [1, 2]}, "prompt"),
        ({"prompt": [[1, 2]]}, "prompt"),
        ({"prompt": ["a", [1]]}, "prompt"),
        ({"prompt": ["a", "b"] * 33, "n": 2}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": [None]}, "prompt"),
        ({"prompt": None}, "prompt"),
        ({"suffix": "x"}, "suffix"),
        ({"best_of": 3}, "best_of"),
        ({"best_of": 1, "n": 2}, "best_of"),
        ({"echo": True, "logprobs": 1}, "echo"),
        ({"logprobs": 6}, "logprobs"),
        ({"model": ""}, "model"),
    ],
)
def test_unsupported_fields_are_refused(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(errors.InvalidRequestError) as caught:
        SERVER.decode(call(**fields))
    assert caught.value.param == param
    assert param in caught.value.message


@pytest.mark.parametrize(
    ("fields", "passed_only"),
    [
        ({"prompt": [1, 2]}, True),
        ({"prompt": [[1, 2], [3]]}, True),
        ({"suffix": "x"}, True),
        ({"best_of": 3}, True),
        ({"echo": True, "logprobs": 1}, True),
        ({"prompt": ["a", "b"], "n": 3, "best_of": 3}, False),
        ({"suffix": "", "echo": True}, False),
        ({"n": "many"}, False),  # nobody can serve it: who decodes it says so
        ({"model": ""}, False),
    ],
)
def test_untranslatable_requests_are_reported(fields: dict[str, Any], passed_only: bool) -> None:
    why = requests_of.native_only_error(call(**fields))
    assert (why is not None) is passed_only


def test_each_prompt_becomes_a_request() -> None:
    made = call(prompt=["a", "b", "c"], n=2, temperature=0.5)
    assert requests_of.requested_choices(made) == RequestedChoices(2, 3)
    first = SERVER.decode(made)
    requests = requests_of.split_prompts(made, first)
    assert [r.messages for r in requests] == [(Message("user", (Text(t),)),) for t in "abc"]
    assert {r.sampling for r in requests} == {Sampling(0.5, n=2)}
    assert requests_of.requested_choices(call()) == RequestedChoices()
    assert requests_of.split_prompts(call(), SERVER.decode(call())) == (SERVER.decode(call()),)


@given(st.lists(st.text(max_size=5), min_size=1, max_size=4), st.integers(1, 3), st.booleans())
def test_each_choice_echoes_its_own_prompt(prompts: list[str], n: int, order: bool) -> None:
    count = len(prompts) * n
    choices = tuple(Choice((Text(f"<{index}>"),)) for index in range(count))
    asked = {"prompt": prompts, "n": n, "echo": True}
    reply = SERVER.encode_response(Response(choices=choices), context(**asked))
    texts = {c.index: c.text for c in Completion.model_validate_json(reply.body).choices}
    assert texts == {index: f"{prompts[index // n]}<{index}>" for index in range(count)}
    events: list[ev.Event] = []
    for index in range(count) if order else reversed(range(count)):
        events += [ev.TextDelta(f"<{index}>", index), ev.Finish("stop", choice=index)]
    streamed = dict.fromkeys(range(count), "")
    for chunk in stream(events, **asked):
        for choice in chunk["choices"]:
            streamed[choice["index"]] += choice["text"]
    assert streamed == texts


def test_whole_completion_has_text_and_logprobs() -> None:
    choices = (
        Choice((Thinking("hm"), Text("Hello")), "stop_sequence", logprobs=tuple(TOKENS)),
        Choice((Text("x"),), "length"),
    )
    reply = SERVER.encode_response(Response(choices=choices, usage=Usage(3, output=2)), context())
    completion = Completion.model_validate_json(reply.body)
    assert [(c.index, c.text, c.finish_reason) for c in completion.choices] == [
        (0, "Hello", "stop"),
        (1, "x", "length"),
    ]
    logprobs = completion.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.tokens == ["Hel", "lo"]
    assert logprobs.token_logprobs == [-0.5, -0.25]
    assert logprobs.top_logprobs == [{"Hel": -0.5}, {}]
    assert logprobs.text_offset == [0, 3]
    assert completion.usage is not None
    assert completion.usage.total_tokens == 5


def test_media_become_a_note() -> None:
    note = "[image left out: this protocol has no form for it]"
    image = ev.MediaOutput("image/png", InlineData("AAAA"))
    found = stream([ev.TextDelta("x"), image, ev.Finish("stop")])
    assert "".join(chunk["choices"][0]["text"] for chunk in found) == f"x{note}"
    choice = Choice((Text("x"), Media("image", InlineData("AAAA"), "image/png")))
    reply = SERVER.encode_response(Response(choices=(choice,)), context())
    assert Completion.model_validate_json(reply.body).choices[0].text == f"x{note}"


def test_echo_repeats_the_prompt() -> None:
    reply = SERVER.encode_response(Response(choices=(Choice((Text("!"),)),)), context(echo=True))
    assert Completion.model_validate_json(reply.body).choices[0].text == "Say hi!"
    found = stream([ev.TextDelta("!"), ev.Finish("stop")], echo=True)
    assert "".join(chunk["choices"][0]["text"] for chunk in found) == "Say hi!"


def test_stream_ends_with_usage_and_done() -> None:
    events = [
        ev.ResponseStart(),
        ev.ThinkingDelta("hm"),
        ev.TextDelta("Hel"),
        ev.LogprobsDelta(TOKENS[:1]),
        ev.TextDelta("lo"),
        ev.LogprobsDelta(TOKENS[1:]),
        ev.UsageUpdate(Usage(3, output=2)),
        ev.Finish("tool_calls"),
    ]
    found = stream(events, stream_options={"include_usage": True})
    assert found[-1]["choices"] == []
    assert found[-1]["usage"]["total_tokens"] == 5
    assert [chunk["usage"] for chunk in found[:-1]] == [None] * (len(found) - 1)
    offsets = [chunk["choices"][0]["logprobs"] for chunk in found[:-1]]
    assert [entry["text_offset"] for entry in offsets if entry] == [[0], [3]]
    assert found[-2]["choices"][0]["finish_reason"] == "stop"
    assert all("usage" not in chunk for chunk in stream(events))


_choice = st.integers(0, 2)
_events = st.one_of(
    st.builds(ev.TextDelta, st.text(max_size=4), _choice),
    st.builds(ev.RefusalDelta, st.text(max_size=4), _choice),
    st.builds(ev.ThinkingDelta, st.text(max_size=4), _choice),
    st.builds(ev.ToolCallStart, st.integers(0, 2), st.just("c"), st.just("f")),
    st.builds(ev.LogprobsDelta, st.just(TOKENS), _choice),
    st.builds(ev.Finish, st.sampled_from(["stop", "length", "refusal", "pause"]), choice=_choice),
    st.just(ev.UsageUpdate(Usage(1))),
    st.just(ev.ResponseStart()),
    st.just(ev.StreamFailure(errors.UpstreamError("broke"))),
)


@given(st.lists(_events, max_size=15), st.booleans(), st.booleans())
def test_any_events_make_a_legal_stream(events: list[ev.Event], usage: bool, echo: bool) -> None:
    found = stream(events, echo=echo, stream_options={"include_usage": usage}, n=3)
    failed = bool(found) and "error" in found[-1]
    if failed:
        found.pop()
    elif usage:
        assert found.pop()["choices"] == []
    finished: set[int] = set()
    begun: set[int] = set()
    for chunk in found:
        (choice,) = chunk["choices"]
        reason = choice["finish_reason"]
        # The SDK has one type for chunks and whole answers, which demands a reason.
        Completion.model_validate(
            {**chunk, "choices": [{**choice, "finish_reason": reason or "stop"}]}
        )
        assert choice["index"] not in finished
        if echo and choice["index"] not in begun:
            assert choice["text"] == "Say hi"
        begun.add(choice["index"])
        if reason is not None:
            finished.add(choice["index"])
    assert failed or (begun == finished and begun)


def test_errors_models_and_counts_have_openais_shape() -> None:
    body = json.loads(SERVER.encode_error(errors.InvalidRequestError("x", param="n"), "").body)
    assert body["error"]["param"] == "n"
