"""Clients for the terminal, with the files and variables that connect them."""

from __future__ import annotations

import json
from pathlib import Path as FilePath
from typing import Any, Final

from antigravity.connect.client import (
    KEY_VARIABLE,
    NAME,
    Client,
    ClientFile,
    Places,
    Setting,
    Start,
    Target,
    label,
)
from antigravity.connect.files.document import Item

#: Variables that send Claude Code to another provider whatever its address is.
_CLAUDE_PROVIDERS: Final = (
    "CLAUDE_CODE_USE_BEDROCK",
    "CLAUDE_CODE_USE_VERTEX",
    "CLAUDE_CODE_USE_FOUNDRY",
)
_CLAUDE_MODELS: Final = (
    "ANTHROPIC_MODEL",
    "ANTHROPIC_DEFAULT_OPUS_MODEL",
    "ANTHROPIC_DEFAULT_SONNET_MODEL",
    "ANTHROPIC_DEFAULT_HAIKU_MODEL",
)

# -- Claude Code --


def _claude_variables(target: Target) -> dict[str, str]:
    found = {
        "ANTHROPIC_BASE_URL": target.address,
        "ANTHROPIC_AUTH_TOKEN": target.key,
        "CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY": "1",
    }
    if target.selects_model and target.model:
        found |= dict.fromkeys(_CLAUDE_MODELS, target.model)
    return found


def _claude_files(target: Target, places: Places) -> list[ClientFile]:
    folder = places.of_variable("CLAUDE_CONFIG_DIR", places.home / ".claude")
    variables = _claude_variables(target)
    settings = [Setting(("env", name), value) for name, value in variables.items()]
    return [ClientFile(folder / "settings.json", "json", settings)]


CLAUDE_CODE: Final = Client(
    "claude-code",
    "Claude Code",
    ("claude",),
    lambda places: [places.of_variable("CLAUDE_CONFIG_DIR", places.home / ".claude")],
    _claude_files,
    ("env", "ANTHROPIC_BASE_URL"),
    lambda target: Start(
        _claude_variables(target), unset=("ANTHROPIC_API_KEY", *_CLAUDE_PROVIDERS)
    ),
    family="claude",
    protocol="anthropic",
)

# -- Codex --


def _codex_provider(target: Target, places_platform: str = "") -> dict[str, Any]:
    echo = ("cmd", ["/c", "echo", target.key]) if places_platform == "win32" else None
    command, arguments = echo or ("echo", [target.key])
    return {
        # the name lets Codex ask for compaction, which the gateway serves for every model
        "name": "OpenAI",
        "base_url": target.openai,
        "wire_api": "responses",
        "supports_websockets": True,
        # with a program that prints the key, Codex also asks for the list of models
        "auth": {"command": command, "args": arguments},
    }


def _codex_files(target: Target, places: Places) -> list[ClientFile]:
    folder = places.of_variable("CODEX_HOME", places.home / ".codex")
    provider = _codex_provider(target, places.platform)
    settings = [Setting(("model_provider",), NAME)]
    if target.selects_model and target.model:
        settings.append(Setting(("model",), target.model))
    for name, value in provider.items():
        settings.append(Setting(("model_providers", NAME, name), value))
    return [ClientFile(folder / "config.toml", "toml", settings)]


def _codex_start(target: Target) -> Start:
    provider = _codex_provider(target)
    auth = provider.pop("auth")
    inline = ", ".join(f"{name} = {json.dumps(value)}" for name, value in provider.items())
    command = json.dumps(auth["command"])
    inline += f", auth = {{command = {command}, args = {json.dumps(auth['args'])}}}"
    arguments = ["-c", f'model_provider="{NAME}"', "-c", f"model_providers.{NAME}={{{inline}}}"]
    if target.selects_model and target.model:
        arguments += ["-c", f"model={json.dumps(target.model)}"]
    return Start(arguments=tuple(arguments))


CODEX: Final = Client(
    "codex",
    "Codex",
    ("codex",),
    lambda places: [places.of_variable("CODEX_HOME", places.home / ".codex")],
    _codex_files,
    ("model_providers", NAME, "base_url"),
    _codex_start,
    family="gpt",
    protocol="openai_responses",
)

# -- Gemini CLI and Qwen Code --

#: A sign-in that was selected before would go to Google, whatever the address is; and without a
#: selection the file with the variables is read too late when there is no terminal.
_GEMINI_AUTHENTICATION: Final = Setting(("security", "auth", "selectedType"), "gemini-api-key")


def _gemini_variables(target: Target) -> dict[str, str]:
    found = {"GOOGLE_GEMINI_BASE_URL": target.address, "GEMINI_API_KEY": target.key}
    if target.selects_model and target.model:
        found["GEMINI_MODEL"] = target.model
    return found


def _gemini_files(target: Target, places: Places) -> list[ClientFile]:
    folder = places.home / ".gemini"
    variables = [Setting((name,), value) for name, value in _gemini_variables(target).items()]
    return [ClientFile(folder / ".env", "env", variables), *_gemini_settings(places)]


def _gemini_settings(places: Places) -> list[ClientFile]:
    path = places.home / ".gemini" / "settings.json"
    return [ClientFile(path, "json", [_GEMINI_AUTHENTICATION])]


GEMINI_CLI: Final = Client(
    "gemini-cli",
    "Gemini CLI",
    ("gemini",),
    lambda places: [places.home / ".gemini"],
    _gemini_files,
    ("GOOGLE_GEMINI_BASE_URL",),
    lambda target: Start(
        _gemini_variables(target), unset=("GOOGLE_GENAI_USE_GCA", "GOOGLE_GENAI_USE_VERTEXAI")
    ),
    obstacles=_gemini_settings,
    family="gemini",
    protocol="gemini",
)


#: Responses; in chat completions it sends ``max_tokens``, which newer models of OpenAI refuse.
_QWEN_PROTOCOL: Final = "openai-responses"


def _qwen_files(target: Target, places: Places) -> list[ClientFile]:
    settings = [
        Setting(("env", KEY_VARIABLE), target.key),
        Setting(("security", "auth", "selectedType"), _QWEN_PROTOCOL),
        Setting(("model", "name"), target.model),
    ]
    for model in target.models:
        entry = {
            "id": model.name,
            "name": label(model),
            "baseUrl": target.openai,
            "envKey": KEY_VARIABLE,
        }
        settings.append(
            Setting(("modelProviders", _QWEN_PROTOCOL, Item("name", label(model))), entry)
        )
    return [ClientFile(places.home / ".qwen" / "settings.json", "json", settings)]


QWEN_CODE: Final = Client(
    "qwen-code",
    "Qwen Code",
    ("qwen",),
    lambda places: [places.home / ".qwen"],
    _qwen_files,
    ("modelProviders", _QWEN_PROTOCOL),
    lambda target: Start(
        {
            "OPENAI_BASE_URL": target.openai,
            "OPENAI_API_KEY": target.key,
            "OPENAI_MODEL": target.model,
        },
        ("--auth-type", _QWEN_PROTOCOL),
    ),
    needs_models=True,
)

# -- aider, llm, Copilot CLI --


def _aider_variables(target: Target) -> dict[str, str]:
    return {"OPENAI_API_BASE": target.openai, "OPENAI_API_KEY": target.key}


def _aider_files(target: Target, places: Places) -> list[ClientFile]:
    settings = [
        Setting(("openai-api-base",), target.openai),
        Setting(("openai-api-key",), target.key),
        Setting(("model",), f"openai/{target.model}"),
    ]
    return [ClientFile(places.home / ".aider.conf.yml", "yaml", settings)]


AIDER: Final = Client(
    "aider",
    "aider",
    ("aider",),
    lambda places: [places.home / ".aider.conf.yml", places.home / ".aider"],
    _aider_files,
    ("openai-api-base",),
    lambda target: Start(_aider_variables(target), ("--model", f"openai/{target.model}")),
    needs_models=True,
)


def _llm_folder(places: Places) -> FilePath:
    return places.of_variable("LLM_USER_PATH", places.applications / "io.datasette.llm")


def _llm_files(target: Target, places: Places) -> list[ClientFile]:
    folder = _llm_folder(places)
    settings = []
    for model in target.models:
        entry = {
            "model_id": f"{NAME}/{model.name}",
            "model_name": model.name,
            "api_base": target.openai,
            "api_key_name": NAME,
            "supports_tools": True,
            "supports_schema": True,
        }
        settings.append(Setting((Item("model_id", f"{NAME}/{model.name}"),), entry))
    keys = [Setting((NAME,), target.key)]
    return [
        ClientFile(folder / "extra-openai-models.yaml", "yaml", settings, root=[]),
        ClientFile(folder / "keys.json", "json", keys),
    ]


LLM: Final = Client(
    "llm",
    "llm",
    ("llm",),
    lambda places: [_llm_folder(places)],
    _llm_files,
    (),
    needs_models=True,
)


def _copilot_variables(target: Target) -> dict[str, str]:
    return {
        "COPILOT_PROVIDER_BASE_URL": target.openai,
        "COPILOT_PROVIDER_API_KEY": target.key,
        "COPILOT_PROVIDER_TYPE": "openai",
        "COPILOT_MODEL": target.model,
    }


COPILOT_CLI: Final = Client(
    "copilot-cli",
    "Copilot CLI",
    ("copilot",),
    lambda places: [places.home / ".copilot"],
    None,
    (),
    lambda target: Start(_copilot_variables(target)),
    needs_models=True,
)
