"""Agents for the terminal that offer lists of models, with the files that connect them."""

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
    ServedModel,
    Setting,
    Start,
    Target,
    label,
)
from antigravity.connect.files.document import Item


def _limits(model: ServedModel, window: str, output: str) -> dict[str, int]:
    sizes = {window: model.window, output: model.output}
    return {name: size for name, size in sizes.items() if size}


def _opencode_provider(target: Target) -> dict[str, Any]:
    models = {}
    for model in target.models:
        limit = _limits(model, "context", "output")
        models[model.name] = {"name": model.name} | (
            {"limit": limit} if len(limit) == 2 else {}  # it demands both or none
        )
    return {
        "npm": "@ai-sdk/openai-compatible",
        "name": NAME,
        "options": {"baseURL": target.openai, "apiKey": target.key},
        "models": models,
    }


def _opencode_files(target: Target, places: Places) -> list[ClientFile]:
    folder = places.configuration / "opencode"
    names = ("opencode.jsonc", "opencode.json", "config.json")
    path = next((folder / name for name in names if (folder / name).exists()), folder / names[1])
    settings = [
        Setting(("$schema",), "https://opencode.ai/config.json", only_if_new=True),
        Setting(("provider", NAME), _opencode_provider(target)),
    ]
    if target.selects_model and target.model:
        settings.append(Setting(("model",), f"{NAME}/{target.model}"))
    return [ClientFile(path, "json", settings)]


def _opencode_start(target: Target) -> Start:
    content: dict[str, Any] = {"provider": {NAME: _opencode_provider(target)}}
    if target.model:
        content["model"] = f"{NAME}/{target.model}"
    return Start({"OPENCODE_CONFIG_CONTENT": json.dumps(content)})


OPENCODE: Final = Client(
    "opencode",
    "opencode",
    ("opencode",),
    lambda places: [places.configuration / "opencode"],
    _opencode_files,
    ("provider", NAME, "options", "baseURL"),
    _opencode_start,
    needs_models=True,
)


def _droid_files(target: Target, places: Places) -> list[ClientFile]:
    settings = []
    for model in target.models:
        entry: dict[str, Any] = {
            "model": model.name,
            "displayName": label(model),
            "baseUrl": target.openai,
            "apiKey": target.key,
            "provider": "generic-chat-completion-api",
        }
        if model.output:
            entry["maxOutputTokens"] = model.output
        settings.append(Setting(("customModels", Item("displayName", label(model))), entry))
    return [ClientFile(places.home / ".factory" / "settings.json", "json", settings)]


DROID: Final = Client(
    "droid",
    "Droid",
    ("droid",),
    lambda places: [places.home / ".factory"],
    _droid_files,
    ("customModels",),
    needs_models=True,
)


def _crush_files(target: Target, places: Places) -> list[ClientFile]:
    models = [
        {"id": model.name, "name": model.name}
        | _limits(model, "context_window", "default_max_tokens")
        for model in target.models
    ]
    provider = {
        "type": "openai-compat",
        "name": NAME,
        "base_url": target.openai,
        "api_key": target.key,
        "models": models,
    }
    path = places.configuration / "crush" / "crush.json"
    settings = [
        Setting(("$schema",), "https://charm.land/crush.json", only_if_new=True),
        Setting(("providers", NAME), provider),
    ]
    return [ClientFile(path, "json", settings)]


CRUSH: Final = Client(
    "crush",
    "Crush",
    ("crush",),
    lambda places: [places.configuration / "crush"],
    _crush_files,
    ("providers", NAME, "base_url"),
    needs_models=True,
)


def _goose_folder(places: Places) -> FilePath:
    if places.platform == "win32":
        return places.applications / "Block" / "goose" / "config"
    return places.configuration / "goose"


def _goose_files(target: Target, places: Places) -> list[ClientFile]:
    models = [
        {"name": each.name, "context_limit": each.window or 128_000} for each in target.models
    ]
    provider = {
        "name": NAME,
        "engine": "openai",
        "display_name": NAME,
        "description": "The gateway on this machine",
        "api_key_env": KEY_VARIABLE,
        "base_url": f"{target.openai}/chat/completions",
        "models": models,
        "supports_streaming": True,
        "requires_auth": target.demands_key,
    }
    path = _goose_folder(places) / "custom_providers" / f"{NAME}.json"
    settings = [Setting((name,), value) for name, value in provider.items()]
    return [ClientFile(path, "json", settings)]


def _goose_start(target: Target) -> Start:
    return Start(
        {
            "GOOSE_PROVIDER": "openai",
            "GOOSE_MODEL": target.model,
            "OPENAI_HOST": target.address,
            "OPENAI_BASE_PATH": "v1/chat/completions",
            "OPENAI_API_KEY": target.key,
        }
    )


GOOSE: Final = Client(
    "goose",
    "Goose",
    ("goose",),
    lambda places: [_goose_folder(places)],
    _goose_files,
    ("base_url",),
    _goose_start,
    needs_models=True,
)
