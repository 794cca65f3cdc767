"""Errors for models that nothing serves."""

from __future__ import annotations

import tomllib
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.config.settings import DispatchMode, ZaiModels, ZaiSettings
from antigravity.interfaces.upstreams import IUpstream
from antigravity.routing.decision import UpstreamEntry
from antigravity.routing.unserved import exclusive_message, nearest_models, unserved_message
from antigravity.routing.zai import zai_entry

SERVED = ("gemini-2.5-pro", "gemini-2.5-flash", "openai/gpt-5.1", "glm-4.7")


class Named:
    name = "zai"


def zai(mode: DispatchMode) -> UpstreamEntry:
    settings = ZaiSettings(enabled=True, dispatch_mode=mode, models=ZaiModels())
    return zai_entry(settings, cast(IUpstream, cast(Any, Named())), ())


@pytest.mark.parametrize(
    ("requested", "nearest"),
    [
        ("gemini-2.5-por", "gemini-2.5-pro"),
        ("Gemini-2.5-Flash", "gemini-2.5-flash"),
        ("google/gemini-2.5-pro-latest", "gemini-2.5-pro"),
        ("gpt-5.1-mini", "openai/gpt-5.1"),
    ],
)
def test_nearest_served_model_is_named(requested: str, nearest: str) -> None:
    assert nearest_models(requested, SERVED)[0] == nearest


@given(st.text(min_size=1, max_size=300), st.lists(st.text(min_size=1, max_size=40), max_size=5))
def test_mapping_line_can_be_pasted(requested: str, names: list[str]) -> None:
    message = unserved_message(requested, names, ())
    assert len(message) < 2500
    near = nearest_models(requested, names)
    target = near[0] if near else "MODEL"
    assert ("a line such as this" in message) == (not near)
    if "\x7f" not in requested[:100] + target:
        line = message.partition(".custom_mapping]: ")[2]
        assert tomllib.loads(line) == {requested[:100]: target}


def test_dispatch_mode_is_named_for_claude_models_with_zai() -> None:
    off = unserved_message("claude-opus-5", SERVED, [zai("off")])
    assert 'proxy.zai.dispatch_mode is "off"' in off
    assert "dispatch_mode" not in unserved_message("gpt-7", SERVED, [zai("off")])
    assert "dispatch_mode" not in unserved_message("claude-opus-5", SERVED, [zai("pooled")])
    exclusive = exclusive_message("openai/gpt-5.1", "anthropic", zai("exclusive"))
    assert 'proxy.zai.dispatch_mode is "exclusive"' in exclusive
