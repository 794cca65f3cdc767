"""Another model of the same protocol: a body passes as it is only where the model takes it."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from antigravity.ir.aspects import Aspect, differences
from antigravity.ir.capabilities import Capabilities, Loss
from antigravity.ir.errors import UnreadablePartError
from antigravity.lowering.pipeline import lower
from antigravity.protocols.json_body import members_of
from antigravity.simulator.errors import ApiError
from antigravity.simulator.validation import anthropic as strict_anthropic
from antigravity.simulator.validation import chat as strict_chat
from antigravity.simulator.validation import gemini as strict_gemini
from antigravity.simulator.validation import responses as strict_responses
from tests.pairs.client_requests import WRITERS, ClientRequest, Turn, UserText, asks
from tests.support.protocols import CLIENTS, SERVERS, call_of, decode, lost, target

MODELS = {
    "openai_chat": ("gpt-4.1", "gpt-4o", "gpt-5.2", "o3", "gpt-3.5-turbo", "nobody-knows-it"),
    "openai_responses": ("gpt-4.1", "gpt-5.2", "o3", "nobody-knows-it"),
    "anthropic": (
        "claude-3-5-haiku-20241022",
        "claude-sonnet-4-5",
        "claude-opus-4-1",
        "claude-sonnet-4-6",
        "claude-opus-4-8",
        "glm-4.7",
        "nobody-knows-it",
    ),
    "gemini": ("gemini-2.0-flash", "gemini-2.5-pro", "gemini-3-pro-preview", "gemini-3-flash"),
}
SWAPS = [
    (name, asked, served)
    for name, models in MODELS.items()
    for asked, served in itertools.permutations(models, 2)
    if served != "nobody-knows-it"
]


def check(protocol: str, model: str, body: dict[str, Any]) -> None:
    """Refuse what the provider of a model refuses."""
    match protocol:
        case "openai_chat":
            strict_chat.check(body)
        case "openai_responses":
            strict_responses.check(body)
        case "anthropic":
            strict_anthropic.check(body)
        case "gemini":
            strict_gemini.check(model, body)


def is_fine(protocol: str, model: str, body: dict[str, Any]) -> bool:
    try:
        check(protocol, model, body)
    except ApiError:
        return False
    return True


class SwappedRequest:
    """A body for one model, and what goes up to another."""

    def __init__(self, protocol: str, asked: str, served: str, body: dict[str, Any]) -> None:
        server, client, goal = SERVERS[protocol], CLIENTS[protocol], target(served)
        call = call_of(protocol, body)
        self.differing = differences(target(asked).capabilities, goal.capabilities)
        self.passes = not self.differing or not server.traits.needs_translation(
            call.body, self.differing, goal.capabilities
        )
        if protocol.startswith("openai"):
            self.passes = self.passes and goal.restricted_fields().isdisjoint(members_of(call))
        if protocol == "gemini":
            self.passes = self.passes and server.traits.is_complete(call, goal.capabilities)
        self.losses: tuple[Loss, ...] = ()
        if self.passes:
            self.body = json.loads(server.with_model(call, served))
        else:
            request = replace(decode(protocol, body), model=served, stream=True)
            lowered = lower(request, client.traits, goal)
            encoded = client.encode(lowered.request, goal)
            self.body = json.loads(encoded.body)
            self.losses = (*lowered.losses, *encoded.warnings)


def named(protocol: str, body: dict[str, Any], model: str) -> dict[str, Any]:
    """Return a body that asks for a model; Gemini's say it elsewhere."""
    return body if protocol == "gemini" else {**body, "model": model}


def swapped(protocol: str, asked: str, served: str, body: dict[str, Any]) -> SwappedRequest:
    return SwappedRequest(protocol, asked, served, named(protocol, body, asked))


@pytest.mark.parametrize("protocol", MODELS)
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)
@given(data=st.data())
def test_swapped_request_is_valid_for_serving_model(protocol: str, data: st.DataObject) -> None:
    swaps = [swap[1:] for swap in SWAPS if swap[0] == protocol]
    asked, served = data.draw(st.sampled_from(swaps))
    request = data.draw(asks())
    # The simulator does not know that GLM has no structured output, but the gateway does.
    assume(not request.form or target(asked).capabilities.structured_output)
    body = WRITERS[protocol](request)
    asked_for = MODELS[protocol] if asked == "nobody-knows-it" else (asked,)
    assume(any(is_fine(protocol, name, named(protocol, body, name)) for name in asked_for))
    try:
        swap = swapped(protocol, asked, served, body)
    except UnreadablePartError:
        return  # there is nothing but media that the model does not read
    if asked == "nobody-knows-it" and swap.passes:
        return  # whoever chose that name knows what it takes
    check(protocol, served, swap.body)


PLAIN = ClientRequest(turns=(Turn((UserText("Hello!"),)),))
BARE = {name: WRITERS[name](PLAIN) for name in MODELS}


@pytest.mark.parametrize(("protocol", "asked", "served"), SWAPS)
def test_plain_request_passes_swap_unchanged(protocol: str, asked: str, served: str) -> None:
    assert swapped(protocol, asked, served, BARE[protocol]).passes


FIELD = {"role": "user", "content": "Hello!"}
FORM: dict[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}
TOOL = {"name": "f", "input_schema": {"type": "object"}}

#: The protocol, two models, and what is added to a bare request.
CARRIED: list[tuple[str, str, str, dict[str, Any]]] = [
    (
        "anthropic",
        "claude-sonnet-4-6",
        "claude-sonnet-4-5",
        {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}},
    ),
    ("anthropic", "claude-opus-4-8", "claude-sonnet-4-5", {"output_config": {"effort": "low"}}),
    (
        "anthropic",
        "claude-sonnet-4-5",
        "claude-opus-4-8",
        {"thinking": {"type": "enabled", "budget_tokens": 2000}, "max_tokens": 9000},
    ),
    (
        "anthropic",
        "claude-sonnet-4-5",
        "claude-3-5-haiku-20241022",
        {"thinking": {"type": "enabled", "budget_tokens": 2000}, "max_tokens": 8000},
    ),
    ("anthropic", "claude-sonnet-4-6", "claude-opus-4-8", {"temperature": 0.2}),
    (
        "anthropic",
        "claude-sonnet-4-6",
        "claude-opus-4-8",
        {"thinking": {"type": "enabled", "budget_tokens": 2000}},
    ),
    ("anthropic", "glm-4.7", "claude-sonnet-4-5", {"temperature": 0.2, "top_p": 0.9}),
    ("anthropic", "claude-sonnet-4-5", "claude-3-5-haiku-20241022", {"max_tokens": 20000}),
    ("anthropic", "claude-opus-4-8", "glm-4.7", {"thinking": {"type": "adaptive"}}),
    (
        "anthropic",
        "claude-sonnet-4-5",
        "claude-opus-4-8",
        {"messages": [FIELD, {"role": "assistant", "content": "{"}]},
    ),
    (
        "anthropic",
        "claude-sonnet-4-5",
        "claude-opus-4-1",
        {"output_config": {"format": {"type": "json_schema", "schema": FORM}}},
    ),
    (
        "anthropic",
        "claude-sonnet-4-5",
        "glm-4.7",
        {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
    ),
    ("openai_chat", "gpt-5.2", "gpt-4.1", {"reasoning_effort": "high"}),
    ("openai_chat", "gpt-5.2", "o3", {"reasoning_effort": "none"}),
    ("openai_chat", "gpt-4.1", "gpt-5.2", {"temperature": 0.2}),
    ("openai_chat", "gpt-4.1", "o3", {"max_completion_tokens": None, "max_tokens": 99}),
    ("openai_chat", "gpt-4.1", "o3", {"logprobs": True}),
    ("openai_chat", "gpt-4.1", "o3", {"stop": ["END"]}),
    ("openai_chat", "gpt-5.2", "gpt-5", {"temperature": 0.2}),
    ("openai_chat", "gpt-5.2", "gpt-4o", {"max_completion_tokens": 100_000}),
    ("openai_chat", "gpt-4.1", "claude-sonnet-4-5", {"n": 3}),
    ("openai_chat", "gpt-5.2", "gemini-2.5-flash", {"verbosity": "low"}),
    ("openai_responses", "gpt-5.2", "gpt-4.1", {"reasoning": {"effort": "high"}}),
    ("openai_responses", "gpt-4.1", "gpt-5.2", {"top_p": 0.5}),
    ("openai_responses", "gpt-5.2", "gpt-4.1", {"max_output_tokens": 100_000}),
    ("openai_responses", "gpt-4.1", "o3", {"include": ["message.output_text.logprobs"]}),
    (
        "gemini",
        "gemini-2.5-pro",
        "gemini-3-pro-preview",
        {"generationConfig": {"thinkingConfig": {"thinkingBudget": 1000}}},
    ),
    (
        "gemini",
        "gemini-3-pro-preview",
        "gemini-2.5-pro",
        {"generation_config": {"thinking_config": {"thinking_level": "HIGH"}}},
    ),
    (
        "gemini",
        "gemini-2.5-pro",
        "gemini-2.0-flash",
        {"generationConfig": {"maxOutputTokens": 60_000}},
    ),
    (
        "gemini",
        "gemini-2.5-pro",
        "gemini-2.0-flash",
        {"generationConfig": {"responseMimeType": "application/json", "responseJsonSchema": FORM}},
    ),
]


@pytest.mark.parametrize(("protocol", "asked", "served", "more"), CARRIED)
def test_swap_rewrites_fields_for_serving_model(
    protocol: str, asked: str, served: str, more: dict[str, Any]
) -> None:
    body = {k: v for k, v in {**BARE[protocol], **more}.items() if v is not None}
    swap = swapped(protocol, asked, served, body)
    assert not swap.passes
    if served.partition("-")[0] in ("gpt", "o3") or protocol != "openai_chat":
        check(protocol, served, swap.body)
    same = swapped(protocol, asked, asked, body)
    assert same.passes


SOUND: dict[str, Any] = {
    "type": "input_audio",
    "input_audio": {"data": "UklGRg==", "format": "wav"},
}


@pytest.mark.parametrize(
    ("protocol", "asked", "served", "body"),
    [
        (
            "openai_chat",
            "gpt-4o-audio-preview",
            "gpt-4o",
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "?"}, SOUND]}]},
        ),
        (
            "gemini",
            "gemini-3-flash",
            "gemini-2.5-flash-image",
            {
                "contents": [
                    {
                        "role": "user",
                        "parts": [
                            {"text": "?"},
                            {"inline_data": {"mime_type": "audio/wav", "data": "UklGRg=="}},
                        ],
                    }
                ]
            },
        ),
    ],
)
def test_swap_replaces_unreadable_media_by_note(
    protocol: str, asked: str, served: str, body: dict[str, Any]
) -> None:
    swap = swapped(protocol, asked, served, body)
    assert not swap.passes
    assert lost(swap.losses, "messages")
    assert "UklGRg==" not in json.dumps(swap.body)


@pytest.mark.parametrize(
    ("protocol", "served", "more"),
    [
        ("anthropic", "claude-opus-4-8", {"temperature": 0.2}),
        ("anthropic", "claude-sonnet-4-5", {"thinking": {"type": "adaptive"}}),
        ("openai_chat", "o3", {"top_p": 0.2}),
        ("openai_chat", "gpt-5", {"stop": ["END"]}),
        ("openai_responses", "o3", {"temperature": 0.2}),
    ],
)
def test_alias_is_checked_against_serving_model(
    protocol: str, served: str, more: dict[str, Any]
) -> None:
    swap = swapped(protocol, "nobody-knows-it", served, {**BARE[protocol], **more})
    assert not swap.passes
    check(protocol, served, swap.body)


@pytest.mark.parametrize(
    ("protocol", "asked", "served", "more"),
    [
        # The same parameters mean the same to both.
        ("anthropic", "claude-opus-4-6", "claude-sonnet-4-6", {"thinking": {"type": "adaptive"}}),
        ("anthropic", "claude-sonnet-4-5", "claude-haiku-4-5", {"temperature": 0.2}),
        ("anthropic", "claude-sonnet-4-6", "claude-sonnet-4-5", {"temperature": 0.2}),
        ("anthropic", "claude-sonnet-4-6", "claude-opus-4-1", {"max_tokens": 32_000}),
        ("anthropic", "claude-sonnet-4-6", "claude-sonnet-4-5", {"thinking": {"type": "disabled"}}),
        ("anthropic", "claude-sonnet-4-5", "glm-4.7", {"tools": [TOOL]}),
        ("openai_chat", "gpt-4.1", "gpt-4o", {"temperature": 0.2, "logprobs": True}),
        ("openai_chat", "gpt-5.2", "gpt-5.1", {"reasoning_effort": "none"}),
        ("openai_chat", "gpt-5.2", "gpt-4.1", {"max_completion_tokens": 32_768}),
        # What only the upstream that has it can go on from is never put in other words.
        (
            "openai_responses",
            "gpt-5.2",
            "gpt-4.1",
            {"reasoning": {"effort": "low"}, "previous_response_id": "resp_1"},
        ),
        ("openai_responses", "gpt-5.2", "gpt-4.1", {"top_p": 0.5, "background": True}),
        # Nothing is known of this one, so nobody knows better than the client.
        ("openai_chat", "gpt-5.2", "nobody-knows-it", {"reasoning_effort": "high"}),
    ],
)
def test_request_valid_for_both_models_passes(
    protocol: str, asked: str, served: str, more: dict[str, Any]
) -> None:
    body = {**BARE[protocol], **more}
    swap = swapped(protocol, asked, served, body)
    assert swap.passes
    assert {k: v for k, v in swap.body.items() if k != "model"} == {
        k: v for k, v in body.items() if k != "model"
    }


def test_text_that_looks_like_field_is_ignored() -> None:
    text = '{"thinking": {"type": "adaptive"}, "temperature": 0.2, "output_config": {"effort": 1}}'
    body = WRITERS["anthropic"](ClientRequest(turns=(Turn((UserText(text),)),)))
    assert swapped("anthropic", "claude-sonnet-4-6", "claude-opus-4-8", body).passes


@pytest.mark.parametrize("protocol", MODELS)
@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"x"', b"\xff", b'{"messages": 1}'])
def test_invalid_request_is_left_to_decoder(protocol: str, body: bytes) -> None:
    every: frozenset[Aspect] = frozenset(
        ("thinking", "sampling", "limit", "media", "prefill", "search", "schema", "tools")
    )
    assert SERVERS[protocol].traits.needs_translation(body, every, Capabilities()) is False
