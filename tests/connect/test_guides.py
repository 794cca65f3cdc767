"""Texts for clients: complete, in the syntax of their language, and harmless in a shell."""

from __future__ import annotations

import json
import re
import shlex
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from antigravity.connect.client import Client, ServedModel, Target
from antigravity.connect.clients import CLIENTS
from antigravity.connect.guides import NO_MODEL, Guide, GuideStep, make_guide

MODELS = tuple(
    map(ServedModel, ("claude-sonnet-5", "vendor/model:free", "gpt-5.1", "gemini-2.5-flash"))
)
TARGET = Target("https://gateway.example:8443", "sk-of-the-client", models=MODELS)
GUIDES = {name: make_guide(client, TARGET) for name, client in CLIENTS.items()}
STEPS = [
    pytest.param(step, id=f"{name}-{step.language}-{number}")
    for name, guide in GUIDES.items()
    for number, step in enumerate(guide.steps)
]


@pytest.mark.parametrize("step", STEPS)
def test_step_is_in_its_language(step: GuideStep) -> None:
    match step.language:
        case "json":
            json.loads(step.text)
        case "toml":
            tomllib.loads(step.text)
        case "yaml":
            YAML(typ="safe").load(step.text)
        case "sh":
            assert all(shlex.split(line) for line in step.text.splitlines())
        case "powershell":
            lines = step.text.splitlines()
            assert all(re.match(r'\$env:\w+ = "[^"]*"$|[a-z]+', line) for line in lines)
        case "fields":
            assert all(": " in line for line in step.text.splitlines())


@pytest.mark.parametrize("guide", GUIDES.values(), ids=GUIDES)
def test_steps_name_gateway_key_and_a_model(guide: Guide) -> None:
    texts = "".join(step.text for step in guide.steps)
    assert TARGET.address in texts
    if guide.client.name not in ("goose", "zed"):  # which read the key from elsewhere
        assert TARGET.key in texts
    if guide.client.needs_models:
        assert TARGET.model in texts


@pytest.mark.parametrize("guide", GUIDES.values(), ids=GUIDES)
def test_commands_are_for_both_shells(guide: Guide) -> None:
    languages = [step.language for step in guide.steps if not step.file]
    assert languages.count("sh") == languages.count("powershell")


@pytest.mark.parametrize(
    ("name", "file", "macos", "windows"),
    [
        ("claude-code", "~/.claude/settings.json", "", r"%USERPROFILE%\.claude\settings.json"),
        (
            "vscode",
            "~/.config/Code/User/chatLanguageModels.json",
            "~/Library/Application Support/Code/User/chatLanguageModels.json",
            r"%APPDATA%\Code\User\chatLanguageModels.json",
        ),
    ],
)
def test_files_are_named_for_every_platform(name: str, file: str, macos: str, windows: str) -> None:
    step = GUIDES[name].steps[0]
    assert (step.file, step.macos, step.windows) == (file, macos, windows)


def test_file_that_differs_on_windows_has_a_step_of_its_own() -> None:
    first, second = GUIDES["codex"].steps
    auth = [
        tomllib.loads(step.text)["model_providers"]["antigravity"]["auth"]
        for step in (first, second)
    ]
    assert [each["command"] for each in auth] == ["echo", "cmd"]
    assert (first.windows, second.file) == ("", r"%USERPROFILE%\.codex\config.toml")


def test_without_a_model_there_is_a_placeholder() -> None:
    guide = make_guide(CLIENTS["aider"], Target(TARGET.address, TARGET.key))
    assert f"openai/{NO_MODEL}" in guide.steps[0].text


@pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)
@given(names=st.lists(st.text(max_size=30), max_size=4))
def test_names_of_models_cannot_leave_their_place(client: Client, names: list[str]) -> None:
    models = tuple(map(ServedModel, names))
    target = Target(TARGET.address, TARGET.key, models=models, selects_model=True)
    expected = make_guide(client, Target(TARGET.address, TARGET.key, selects_model=True))
    found = make_guide(client, target)
    for step, like in zip(found.steps, expected.steps, strict=True):
        if step.language in ("sh", "powershell"):
            for line, other in zip(step.text.splitlines(), like.text.splitlines(), strict=True):
                assert len(shlex.split(line)) == len(shlex.split(other))


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("http://a; rm -rf /", TARGET.key),
        ('http://a"', TARGET.key),
        ("javascript:alert(1)", TARGET.key),
        (TARGET.address, "$(whoami)"),
        (TARGET.address, ""),
    ],
)
def test_address_and_key_cannot_end_a_command(address: str, key: str) -> None:
    with pytest.raises(ValueError, match="cannot be written"):
        make_guide(CLIENTS["claude-code"], Target(address, key))
