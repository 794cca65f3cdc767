"""``antigravity plugins list``: who is there, with what, and who was left out."""

from __future__ import annotations

import importlib.metadata
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from antigravity import plugins as loader
from antigravity.cli.main import main
from antigravity.hookspecs import hookimpl
from antigravity.plugins import DEFAULT_PLUGINS


class Point:
    """An entry point, as far as the loader looks at it."""

    def __init__(self, name: str, plugin: Any) -> None:
        self.name = name
        self._plugin = plugin

    def load(self) -> Any:
        if isinstance(self._plugin, Exception):
            raise self._plugin
        return self._plugin


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that installs plugins, by name, for one test."""

    def install(**found: Any) -> None:
        points = [Point(name, plugin) for name, plugin in found.items()]
        monkeypatch.setattr(loader, "entry_points", lambda *, group: points)

    install()
    return install


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ANTIGRAVITY_HOME", str(tmp_path))
    return tmp_path


@hookimpl
def register_routes(register: Any, settings: Any) -> None:
    register("get", "/colour", lambda request: settings.get("colour", ""))


def with_routes() -> ModuleType:
    """Return a plugin that registers a route."""
    module = ModuleType("colours")
    module.register_routes = register_routes  # type: ignore[attr-defined]
    return module


def listed(capsys: pytest.CaptureFixture[str]) -> Any:
    assert main(["plugins", "list", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.usefixtures("install", "home")
def test_the_built_in_plugins_are_listed_with_what_they_have(
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = listed(capsys)
    assert [plugin["name"] for plugin in data["plugins"]] == list(DEFAULT_PLUGINS)
    assert all(plugin["builtin"] for plugin in data["plugins"])
    assert (data["blocked"], data["problems"]) == ([], [])
    openai = data["plugins"][0]
    spoken = {"openai_chat", "openai_completions", "openai_responses", "openai_embeddings"}
    assert spoken <= set(openai["protocols"])
    assert openai["upstream_kinds"] == ["openai"]
    assert openai["hooks"] == ["register_protocols", "register_upstreams"]
    assert main(["plugins", "list"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["codeassist", "yes", "-", "codeassist", "-", "register_upstreams"] in rows


@pytest.mark.usefixtures("home")
def test_a_broken_plugin_is_named_and_the_others_are_listed(
    install: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    install(good=with_routes(), broken=ImportError("no module named 'gone'"))
    data = listed(capsys)
    (good,) = (plugin for plugin in data["plugins"] if not plugin["builtin"])
    assert (good["name"], good["routes"]) == ("good", ["GET /colour"])
    assert [problem["plugin"] for problem in data["problems"]] == ["broken"]
    assert main(["plugins", "list"]) == 0
    told = capsys.readouterr()
    assert "broken" not in told.out
    assert "plugin broken could not be loaded: ImportError: no module named 'gone'" in told.err


def test_what_is_refused_does_not_count_as_registered(
    install: Any, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install(one=with_routes(), two=with_routes())
    data = listed(capsys)
    routes = {plugin["name"]: plugin["routes"] for plugin in data["plugins"]}
    assert (routes["one"], routes["two"]) == (["GET /colour"], [])
    assert data["problems"] == [
        {"plugin": "two", "reason": "register_routes: the route GET /colour is taken"}
    ]


def test_blocked_plugins_are_named_and_not_loaded(
    install: Any, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install(evil=AssertionError("it was loaded"))
    (home / "antigravity.toml").write_text('[plugins]\nblocked = ["evil", "gemini"]\n')
    data = listed(capsys)
    assert data["blocked"] == ["evil", "gemini"]
    assert "gemini" not in {plugin["name"] for plugin in data["plugins"]}
    assert main(["plugins", "list"]) == 0
    assert "Blocked: evil, gemini" in capsys.readouterr().out


@pytest.mark.usefixtures("home")
def test_real_entry_points_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    folder = tmp_path / "site"
    (folder / "colour-1.dist-info").mkdir(parents=True)
    (folder / "colour-1.dist-info" / "METADATA").write_text("Name: colour\nVersion: 1\n")
    (folder / "colour-1.dist-info" / "entry_points.txt").write_text(
        "[antigravity]\ncolour = colour_plugin\n"
    )
    (folder / "colour_plugin.py").write_text(
        "from antigravity.hookspecs import hookimpl\n"
        "@hookimpl\n"
        "def exchange_finished(record):\n    pass\n"
    )
    monkeypatch.setattr(sys, "path", [*sys.path, str(folder)])
    importlib.invalidate_caches()
    (plugin,) = (plugin for plugin in listed(capsys)["plugins"] if plugin["name"] == "colour")
    assert plugin["hooks"] == ["exchange_finished"]
