"""Fan-out: which upstream requests are made, how their responses merge, what they count."""

from __future__ import annotations

import itertools
import json
from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from antigravity.exchange.fanout.merged_stream import MergedStream
from antigravity.exchange.fanout.requested_choices import split_choices
from antigravity.exchange.fanout.strategies import split_request
from antigravity.exchange.fanout.usage_totals import sum_usage, usage_of_one_prompt
from antigravity.exchange.plan import Plan
from antigravity.ir import events as ev
from antigravity.ir.call import Call, ReplyContext, Route
from antigravity.ir.capabilities import Capabilities, Target
from antigravity.ir.request import Message, Request, Sampling
from antigravity.ir.usage import Usage
from antigravity.protocols.gemini.protocol import GEMINI_SERVER
from antigravity.protocols.openai_chat.protocol import OPENAI_CHAT_CLIENT, OPENAI_CHAT_SERVER
from antigravity.protocols.openai_native_only import native_only_client
from antigravity.routing.decision import RoutingDecision, RoutingOption
from tests.exchange.fakes import FakeConsumer

CHAT, GEMINI = OPENAI_CHAT_SERVER, GEMINI_SERVER


def request(n: int) -> Request:
    return Request("m", (Message("user", ()),), "openai_chat", sampling=Sampling(n=n))


def merged_stream(encoder: Any, consumer: FakeConsumer) -> MergedStream:
    stream = MergedStream(Clock(), 0.0, encoder, lambda: None)
    stream.start(consumer)  # type: ignore[arg-type]
    return stream


@given(st.lists(st.integers(1, 20), min_size=1, max_size=5), st.integers(1, 9))
def test_split_request_asks_for_each_choice_once(wanted: list[int], limit: int) -> None:
    parts = split_request([request(n) for n in wanted], limit)
    asked = [
        (part.prompt, part.first + number)
        for part in parts
        for number in range(part.request.sampling.n)
    ]
    owners = itertools.chain.from_iterable([prompt] * n for prompt, n in enumerate(wanted))
    assert asked == [(prompt, index) for index, prompt in enumerate(owners)]
    assert all(1 <= part.request.sampling.n <= limit for part in parts)


def response_events(text: list[str], calls: list[str], usage: int) -> list[ev.Event]:
    """Return the events of a response with one choice."""
    events: list[ev.Event] = [ev.ResponseStart(f"id{usage}", "m")]
    events += [ev.TextDelta(piece) for piece in text]
    for number, arguments in enumerate(calls):
        events += [
            ev.ToolCallStart(number, f"call_{usage}_{number}", "f"),
            ev.ToolCallDelta(number, arguments),
            ev.ToolCallEnd(number),
        ]
    return [*events, ev.Finish("tool_calls" if calls else "stop")]


responses = st.tuples(
    st.lists(st.text("ab \u2603", min_size=1, max_size=4), max_size=4),
    st.lists(st.sampled_from(['{"a":1}', "{}"]), max_size=2),
)


@given(st.lists(responses, min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_merged_stream_keeps_interleaved_choices_apart(given_: list[Any], random: Any) -> None:
    body = json.dumps({"model": "m", "n": len(given_), "messages": []}).encode()
    call = Call(CHAT.routes[0], {}, {}, {}, body)
    context = ReplyContext(call, request(len(given_)), "m", 1, lambda prefix: f"{prefix}1")
    encoder = CHAT.encoder(context)
    consumer = FakeConsumer()
    merged = merged_stream(encoder, consumer)
    left = [
        (place, response_events(text, calls, place)[::-1])
        for place, (text, calls) in enumerate(given_)
    ]
    while left:
        place, events = random.choice(left)
        merged.relay(events.pop(), place)
        left = [each for each in left if each[1]]
    merged.end(None)
    chunks = [
        json.loads(line.removeprefix(b"data: "))
        for line in b"".join(consumer.written).split(b"\n\n")
        if line and line != b"data: [DONE]"
    ]
    texts: dict[int, str] = defaultdict(str)
    arguments: dict[tuple[int, int], str] = defaultdict(str)
    ids: dict[tuple[int, int], str] = {}
    ended: list[int] = []
    seen: list[int] = []
    for choice in [choice for chunk in chunks for choice in chunk["choices"]]:
        index, delta = choice["index"], choice["delta"]
        if index not in seen:
            seen.append(index)
        texts[index] += delta.get("content") or ""
        for piece in delta.get("tool_calls", ()):
            key = (index, piece["index"])
            ids.setdefault(key, piece.get("id", ""))
            arguments[key] += piece["function"].get("arguments", "")
        if choice["finish_reason"]:
            ended.append(index)
    assert seen == list(range(len(given_))), "no choice comes before a lower one"
    assert sorted(ended) == seen
    for place, (text, calls) in enumerate(given_):
        assert texts[place] == "".join(text)
        assert [arguments[place, number] for number in range(len(calls))] == calls
        assert [ids[place, number] for number in range(len(calls))] == [
            f"call_{place}_{number}" for number in range(len(calls))
        ]
    assert len({chunk["id"] for chunk in chunks}) == 1


def test_merged_stream_has_id_of_first_response() -> None:
    call = Call(Route("POST", "/x", "generate"), {"model": "m"}, {"alt": "sse"}, {}, b"{}")
    encoder = GEMINI.encoder(ReplyContext(call, request(2), "m", 1, lambda prefix: "new"))
    consumer = FakeConsumer()
    merged = merged_stream(encoder, consumer)
    for event, first in (
        (ev.ResponseStart("second", "m"), 1),
        (ev.TextDelta("b"), 1),
        (ev.ResponseStart("first", "m"), 0),
        (ev.TextDelta("a"), 0),
        (ev.Finish("stop"), 0),
        (ev.Finish("length"), 1),
    ):
        merged.relay(event, first)
    merged.end(None)
    chunks = [json.loads(line[6:]) for line in b"".join(consumer.written).split(b"\n\n") if line]
    assert {chunk["responseId"] for chunk in chunks} == {"second"}
    last = chunks[-1]["candidates"]
    assert [(c["index"], c["finishReason"]) for c in last] == [(0, "STOP"), (1, "MAX_TOKENS")]


@given(st.lists(st.builds(Usage, *[st.integers(0, 999)] * 11), max_size=5))
def test_usage_of_one_prompt_counts_prompt_once(usages: list[Usage]) -> None:
    total, shown = sum_usage(usages), usage_of_one_prompt(usages)
    assert shown.output == total.output == sum(usage.output for usage in usages)
    assert shown.searches == total.searches
    assert shown.input_total == max((usage.input_total for usage in usages), default=0)
    assert shown.input_total <= total.input_total
    parts = [(u.input_total, u.cached, u.cache_write, u.tool_input) for u in usages] or [(0,) * 4]
    assert (shown.input_total, shown.cached, shown.cache_write, shown.tool_input) in parts


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ({"n": 3}, 3),
        ({"messages": [{"content": '"n"'}], "n": None}, 1),
        ({"n": "x"}, 1),
        ({"n": -2}, 1),
        ({"x": {"n": 5}}, 1),
        ({}, 1),
    ],
)
def test_chat_requested_choices(body: Any, wanted: int) -> None:
    call = Call(CHAT.routes[0], {}, {}, {}, json.dumps(body).encode())
    assert CHAT.traits.requested_choices(call).each == wanted


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ({"generationConfig": {"candidateCount": 3}}, 3),
        ({"generation_config": {"candidate_count": 2}}, 2),
        ({"generationConfig": {"candidateCount": None}}, 1),
        ({"contents": [{"parts": [{"text": "candidateCount"}]}]}, 1),
        ({}, 1),
    ],
)
def test_gemini_requested_choices(body: Any, wanted: int) -> None:
    call = Call(GEMINI.routes[0], {}, {}, {}, json.dumps(body).encode())
    assert GEMINI.traits.requested_choices(call).each == wanted


@pytest.mark.parametrize(
    ("clients", "n", "served_by", "parts"),
    [
        ("translated", 8, "translated", 0),
        ("translated", 9, "translated", 2),
        ("native-only, translated", 9, "native-only", 0),
        ("translated, native-only", 8, "translated, native-only", 0),
        # Nothing is translated to a native-only client, so it cannot serve a part.
        ("translated, native-only", 9, "translated", 2),
    ],
)
def test_split_choices(clients: str, n: int, served_by: str, parts: int) -> None:
    upstream: Any = SimpleNamespace(name="u")
    chat = OPENAI_CHAT_CLIENT
    target = Target("m", Capabilities(max_choices=8))
    options = {
        "translated": RoutingOption(upstream, chat, target, False),
        "native-only": RoutingOption(upstream, native_only_client("x", chat), target, True),
    }
    candidates = tuple(options[name] for name in clients.split(", "))
    plan = Plan(RoutingDecision("m", "m", (), candidates, (), Capabilities()))
    body = json.dumps({"model": "m", "n": n, "messages": []}).encode()
    call = Call(CHAT.routes[0], {}, {}, {}, body)
    context: Any = SimpleNamespace(
        traits=CHAT.traits,
        call=call,
        outline=call,
        request=request(n),
        decode=lambda: succeed(None),
        compute=lambda function, *arguments: succeed(function(*arguments)),
    )
    found: list[Any] = []
    Deferred.fromCoroutine(split_choices(context, plan)).addCallback(found.append)
    ((changed, made),) = found
    assert changed.options == tuple(options[name] for name in served_by.split(", "))
    assert len(made) == parts
