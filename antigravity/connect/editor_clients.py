"""Editors and their plugins, with the files that connect them, or how people do it."""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import Any, Final

from antigravity.connect.client import (
    NAME,
    Client,
    ClientFile,
    Places,
    Setting,
    Target,
    label,
)
from antigravity.connect.files.document import Item


def _continue_files(target: Target, places: Places) -> list[ClientFile]:
    settings = [
        # a new file needs these three; one that is there has them
        Setting(("name",), "Local", only_if_new=True),
        Setting(("version",), "1.0.0", only_if_new=True),
        Setting(("schema",), "v1", only_if_new=True),
    ]
    for model in target.models:
        entry = {
            "name": label(model),
            "provider": "openai",
            "model": model.name,
            "apiBase": f"{target.openai}/",
            "apiKey": target.key,
            "capabilities": ["tool_use"],
        }
        settings.append(Setting(("models", Item("name", label(model))), entry))
    return [ClientFile(places.home / ".continue" / "config.yaml", "yaml", settings)]


CONTINUE: Final = Client(
    "continue",
    "Continue",
    ("cn",),
    lambda places: [places.home / ".continue"],
    _continue_files,
    ("models",),
    needs_models=True,
)


def _zed_folder(places: Places) -> FilePath:
    if places.platform == "win32":
        return places.applications / "Zed"
    return places.configuration / "zed"


def _zed_files(target: Target, places: Places) -> list[ClientFile]:
    models = []
    for model in target.models:
        entry: dict[str, Any] = {
            "name": model.name,
            "max_tokens": model.window or 128_000,
            "capabilities": {"tools": True, "images": True, "parallel_tool_calls": True},
        }
        if model.output:
            entry["max_output_tokens"] = model.output
        models.append(entry)
    provider = {"api_url": target.openai, "available_models": models}
    path = ("language_models", "openai_compatible", NAME)
    return [ClientFile(_zed_folder(places) / "settings.json", "json", [Setting(path, provider)])]


ZED: Final = Client(
    "zed",
    "Zed",
    ("zed", "zeditor"),
    lambda places: [_zed_folder(places)],
    _zed_files,
    ("language_models", "openai_compatible", NAME, "api_url"),
    needs_models=True,
)


def _vscode_folder(places: Places) -> FilePath:
    found = [places.applications / name / "User" for name in ("Code", "Code - Insiders")]
    return next((folder for folder in found if folder.is_dir()), found[0])


def _vscode_files(target: Target, places: Places) -> list[ClientFile]:
    models = []
    for model in target.models:
        window = model.window or 128_000
        output = min(model.output or 16_384, window // 2)
        models.append(
            {
                "id": model.name,
                "name": model.name,
                "url": f"{target.openai}/chat/completions",
                "toolCalling": True,
                "vision": True,
                "maxInputTokens": window - output,
                "maxOutputTokens": output,
            }
        )
    entry = {
        "name": NAME,
        "vendor": "customendpoint",
        "apiKey": target.key,
        "apiType": "chat-completions",
        "models": models,
    }
    path = _vscode_folder(places) / "chatLanguageModels.json"
    return [ClientFile(path, "json", [Setting((Item("name", NAME),), entry)], root=[])]


VSCODE: Final = Client(
    "vscode",
    "VS Code",
    ("code", "code-insiders"),
    lambda places: [_vscode_folder(places)],
    _vscode_files,
    (Item("name", NAME), "models"),
    needs_models=True,
)

CURSOR: Final = Client(
    "cursor",
    "Cursor",
    ("cursor",),
    lambda places: [places.applications / "Cursor"],
)

CLINE: Final = Client(
    "cline",
    "Cline",
    ("cline",),
    lambda places: [places.home / ".cline"],
)

JETBRAINS: Final = Client(
    "jetbrains",
    "JetBrains AI Assistant",
    (),
    lambda places: [places.applications / "JetBrains"],
)
