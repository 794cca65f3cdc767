"""When an upstream is asked for a whole response, and when for a stream."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from antigravity.exchange.attempts.whole_responses import needs_stream, wants_whole
from antigravity.ir.capabilities import Capabilities, Target, Traits
from antigravity.ir.errors import InvalidRequestError, RateLimitedError
from antigravity.ir.request import Request, ThinkingConfig
from antigravity.routing.capability_table import load_table
from antigravity.upstreams.addresses import parse_base
from antigravity.upstreams.quirks import resolve_quirks

TRAITS = Traits("openai", whole_responses=True)
SHORT = Request("m", (), "openai_chat", stream=True, max_output_tokens=1000)
TARGET = Target("m", Capabilities(max_output_tokens=65536))


def thinking(**fields: Any) -> Request:
    return replace(SHORT, thinking=ThinkingConfig("on", **fields))


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (SHORT, True),
        (replace(SHORT, max_output_tokens=8192), True),
        (replace(SHORT, max_output_tokens=8193), False),
        (replace(SHORT, max_output_tokens=None), False),
        (thinking(effort="medium"), True),
        (thinking(effort="high"), False),
        (thinking(effort="max"), False),
        (thinking(budget=1024), True),
        (thinking(budget=32000), False),
        (replace(SHORT, modalities=("text",)), True),
        (replace(SHORT, modalities=("text", "image")), False),
    ],
)
def test_auto_asks_for_whole_response_if_short_one_is_expected(
    request_: Request, expected: bool
) -> None:
    assert wants_whole(request_, TARGET, TRAITS, "auto") is expected


def test_limit_of_model_counts_if_request_has_none() -> None:
    small = Target("m", Capabilities(max_output_tokens=4096))
    open_end = replace(SHORT, max_output_tokens=None)
    assert wants_whole(open_end, small, TRAITS, "auto")
    assert not wants_whole(open_end, Target("m"), TRAITS, "auto")


@pytest.mark.parametrize(
    "target",
    [
        Target("m", Capabilities(whole_output_tokens=0)),
        Target("m", quirks=frozenset(("no_whole_responses",))),
        Target("m", Capabilities(fields=("no_whole_responses",))),
        Target("m", Capabilities(outputs=("text", "image"))),
    ],
    ids=["model", "upstream", "field", "images"],
)
def test_what_only_streams_is_always_asked_for_stream(target: Target) -> None:
    assert not wants_whole(SHORT, target, TRAITS, "auto")
    assert not wants_whole(SHORT, target, TRAITS, "always")


def test_setting_decides_for_all_requests() -> None:
    long = replace(thinking(effort="max"), max_output_tokens=100_000)
    assert wants_whole(long, TARGET, TRAITS, "always")
    assert not wants_whole(SHORT, TARGET, TRAITS, "never")


def test_protocol_that_reads_streams_alone_is_always_asked_for_stream() -> None:
    assert not wants_whole(SHORT, TARGET, Traits("openai"), "always")


def test_protocol_without_streams_is_always_asked_for_whole_response() -> None:
    assert wants_whole(SHORT, TARGET, Traits("openai", streams=False), "never")


def test_data_files_know_what_only_streams() -> None:
    table = load_table(())
    for model in ("qwq-32b", "qvq-72b-preview", "qwen3-omni-flash"):
        assert table.capabilities(model).whole_output_tokens == 0
    assert table.capabilities("gemini-2.5-flash").whole_output_tokens == 8192
    base = parse_base("https://dashscope.aliyuncs.com/v1", "base_url")
    assert "no_whole_responses" in resolve_quirks((), (base,))
    assert "no_whole_responses" not in resolve_quirks(("whole_responses",), (base,))


def test_refusal_of_form_is_recognised() -> None:
    message = "This model only support stream mode, please enable the stream parameter"
    assert needs_stream(InvalidRequestError(message, upstream_status=400))
    assert not needs_stream(InvalidRequestError("max_tokens is too large", upstream_status=400))
    assert not needs_stream(RateLimitedError("too many streams", upstream_status=429))
