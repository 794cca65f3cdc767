"""The list of models in the form of Codex."""

from __future__ import annotations

import json
from typing import Any

import pytest

from antigravity.ir.call import Call, Route
from antigravity.ir.capabilities import Capabilities, Model
from antigravity.protocols.codex_models import encode_codex_models
from antigravity.protocols.openai_shapes import encode_models
from antigravity.routing.capability_table import load_table

TABLE = load_table(())
#: Members that some version of Codex has required.
REQUIRED = {
    "slug",
    "display_name",
    "description",
    "supported_reasoning_levels",
    "shell_type",
    "visibility",
    "supported_in_api",
    "priority",
    "upgrade",
    "base_instructions",
    "supports_reasoning_summaries",
    "support_verbosity",
    "default_verbosity",
    "apply_patch_tool_type",
    "truncation_policy",
    "supports_parallel_tool_calls",
    "experimental_supported_tools",
}


def entries(*models: Model, version: str = "0.169.0") -> list[dict[str, Any]]:
    return encode_codex_models(models, version)


def known(name: str) -> Model:
    """Return a model of the table."""
    capabilities = TABLE.capabilities(name)
    return Model(name, input_token_limit=capabilities.context_window, capabilities=capabilities)


def efforts_of(entry: dict[str, Any]) -> list[str]:
    return [level["effort"] for level in entry["supported_reasoning_levels"]]


def test_entry_has_every_required_member() -> None:
    (entry,) = entries(known("claude-sonnet-5"))
    assert entry.keys() >= REQUIRED
    assert entry["slug"] == entry["display_name"] == "claude-sonnet-5"
    assert entry["context_window"] == entry["max_context_window"] == 1_000_000


@pytest.mark.parametrize(
    ("name", "efforts", "default"),
    [
        ("claude-sonnet-5", ["low", "medium", "high", "xhigh", "max"], "medium"),
        ("claude-haiku-4-5", ["none", "low", "medium", "high"], "medium"),
        ("gemini-2.5-pro", ["low", "medium", "high"], "medium"),
        ("gemini-3-pro-preview", ["low", "high"], "high"),
        ("gpt-5.1", ["none", "low", "medium", "high"], "medium"),
        ("gpt-4o", [], None),
    ],
)
def test_efforts_are_those_of_model(name: str, efforts: list[str], default: str | None) -> None:
    (entry,) = entries(known(name))
    assert efforts_of(entry) == efforts
    assert entry["default_reasoning_level"] == default
    assert entry["supports_reasoning_summaries"] is bool(efforts)


@pytest.mark.parametrize(
    ("version", "reads"),
    [("0.169.0", True), ("0.150.0", True), ("1.0.0", True), ("", True), ("0.149.9", False)],
)
def test_older_versions_get_no_effort_that_they_cannot_read(version: str, reads: bool) -> None:
    (entry,) = entries(known("claude-sonnet-5"), version=version)
    assert ("max" in efforts_of(entry)) is reads


def test_models_that_are_no_agents_are_left_out() -> None:
    names = ("text-embedding-3-small", "gemini-3-pro-image", "whisper-1", "tts-1", "gpt-5.1")
    found = [entry["slug"] for entry in entries(*map(known, names))]
    assert found[-1] == "gpt-5.1"
    assert not {"text-embedding-3-small", "whisper-1", "tts-1"} & set(found)
    without_tools = Model("m", capabilities=Capabilities(tools=False))
    assert entries(without_tools) == []


def test_unknown_model_has_usual_window() -> None:
    (entry,) = entries(Model("mine", capabilities=Capabilities()))
    assert entry["context_window"] == 128_000
    assert entry["input_modalities"] == ["text", "image"]


def test_model_without_images_gets_none() -> None:
    blind = Capabilities(refused_inputs=("image",))
    assert entries(Model("mine", capabilities=blind))[0]["input_modalities"] == ["text"]


def test_order_is_that_of_list() -> None:
    found = entries(known("gpt-5.1"), known("claude-sonnet-5"))
    assert [(entry["slug"], entry["priority"]) for entry in found] == [
        ("gpt-5.1", 1),
        ("claude-sonnet-5", 2),
    ]


@pytest.mark.parametrize("query", [{}, {"client_version": "0.169.0"}])
def test_only_codex_gets_its_form(query: dict[str, str]) -> None:
    route = Route("GET", "/v1/models", "list_models")
    reply = encode_models([known("gpt-5.1")], Call(route, {}, query, {}, b""))
    body = json.loads(reply.body)
    assert [model["id"] for model in body["data"]] == ["gpt-5.1"]
    assert ("models" in body) is bool(query)
