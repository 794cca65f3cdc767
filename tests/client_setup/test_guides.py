"""Texts for clients: complete, in the syntax of their language, and harmless in a shell."""

from __future__ import annotations

import json
import re
import shlex
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.client_setup.guides import (
    MOST_MODELS,
    NO_MODEL,
    ClientGuide,
    GuideStep,
    client_guides,
    fill,
)

ADDRESS, KEY = "https://gateway.example:8443", "sk-of-the-client"
MODELS = ["claude-sonnet-5", "vendor/model:free", "gemini-2.5-flash"]
NAMES = (
    "claude-code codex gemini-cli opencode qwen-code droid crush goose aider llm continue zed "
    "vscode copilot-cli cursor cline jetbrains"
)
STEPS = [(guide, step) for guide in client_guides() for step in guide.step]
IDS = [f"{guide.name}-{step.language}-{number}" for number, (guide, step) in enumerate(STEPS)]


def test_all_clients_have_a_guide_with_a_step() -> None:
    assert [guide.name for guide in client_guides()] == NAMES.split()
    assert all(guide.step for guide in client_guides())


@pytest.mark.parametrize(("guide", "step"), STEPS, ids=IDS)
def test_step_is_filled_in_and_in_its_language(guide: ClientGuide, step: GuideStep) -> None:
    text = fill(step, ADDRESS, KEY, MODELS).text
    assert not re.search(r"@[A-Z]+@", text)
    match step.language:
        case "json":
            json.loads(text)
        case "toml":
            tomllib.loads(text)
        case "sh":
            assert all(shlex.split(line) for line in text.splitlines())
        case "powershell":
            assert all(re.match(r'\$env:\w+ = "[^"]*"$|[a-z]+', line) for line in text.splitlines())
        case "fields":
            assert all(": " in line for line in text.splitlines())


@pytest.mark.parametrize("guide", client_guides(), ids=lambda guide: guide.name)
def test_steps_name_gateway_key_and_a_model(guide: ClientGuide) -> None:
    texts = "".join(fill(step, ADDRESS, KEY, MODELS).text for step in guide.step)
    for part in (ADDRESS, KEY, MODELS[0]):
        assert part in texts


@pytest.mark.parametrize("guide", client_guides(), ids=lambda guide: guide.name)
def test_shell_steps_are_for_both_shells(guide: ClientGuide) -> None:
    languages = [step.language for step in guide.step if not step.file]
    assert languages.count("sh") == languages.count("powershell")


def test_lines_are_repeated_for_each_model() -> None:
    step = GuideStep(text='[\n"@EACH@",\n]', language="json")
    assert json.loads(fill(step, ADDRESS, KEY, MODELS).text) == MODELS
    many = [f"model-{number}" for number in range(100)]
    assert json.loads(fill(step, ADDRESS, KEY, many).text) == many[:MOST_MODELS]


def test_without_a_model_there_is_a_placeholder() -> None:
    step = GuideStep(text="claude --model @MODEL@", language="sh")
    assert fill(step, ADDRESS, KEY, []).text == f"claude --model {NO_MODEL}"


@given(st.lists(st.text(max_size=30), max_size=4))
def test_names_of_models_cannot_leave_their_place(models: list[str]) -> None:
    step = GuideStep(text='llm -m @MODEL@ "Hello"\n', language="sh")
    assert len(shlex.split(fill(step, ADDRESS, KEY, models).text)) == 4


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("http://a; rm -rf /", KEY),
        ('http://a"', KEY),
        ("javascript:alert(1)", KEY),
        (ADDRESS, "$(whoami)"),
        (ADDRESS, ""),
    ],
)
def test_address_and_key_cannot_end_a_command(address: str, key: str) -> None:
    with pytest.raises(ValueError, match="cannot be written"):
        fill(client_guides()[0].step[0], address, key, MODELS)
