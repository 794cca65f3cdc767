"""``antigravity plugins``: list, check and new."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from zope.interface import implementer

from antigravity.cli.main import main
from antigravity.hookspecs import hookimpl
from antigravity.interfaces.selection import ISelectionPolicy
from antigravity.plugins import DEFAULT_PLUGINS


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
def test_builtin_plugins_are_listed_with_their_registrations(
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = listed(capsys)
    assert [plugin["name"] for plugin in data["plugins"]] == list(DEFAULT_PLUGINS)
    assert all(plugin["builtin"] for plugin in data["plugins"])
    assert (data["blocked"], data["problems"]) == ([], [])
    openai = data["plugins"][0]
    spoken = {"openai_chat", "openai_completions", "openai_responses", "openai_embeddings"}
    assert spoken <= set(openai["protocols"])
    assert openai["upstreams"] == ["openai"]
    assert openai["hooks"] == ["register_protocols", "register_upstreams"]
    assert main(["plugins", "list"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["codeassist", "yes", "upstreams:", "codeassist"] in rows


@hookimpl
def exchange_finished(record: Any) -> None:
    pass


def test_list_shows_all_registrations_of_a_plugin(
    install: Any, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plugin = with_policy(Grabbing())
    vars(plugin).update(register_routes=register_routes, exchange_finished=exchange_finished)
    install(mine=plugin)
    assert main(["plugins", "list"]) == 0
    (row,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("mine"))
    has = "routes: GET /colour; selection policies: Grabbing; watches: exchange_finished"
    assert row.split(maxsplit=2) == ["mine", "no", has]


@pytest.mark.usefixtures("home")
def test_broken_plugin_is_reported_and_others_are_listed(
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


def test_refused_object_is_not_listed(
    install: Any, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install(one=with_routes(), two=with_routes())
    data = listed(capsys)
    routes = {plugin["name"]: plugin["routes"] for plugin in data["plugins"]}
    assert (routes["one"], routes["two"]) == (["GET /colour"], [])
    assert data["problems"] == [
        {"plugin": "two", "reason": "register_routes: the route GET /colour is taken"}
    ]


def test_blocked_plugins_are_listed_and_not_loaded(
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
def test_entry_points_of_distributions_are_loaded(
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


def test_check_of_builtin_plugins_finds_no_problem(
    home: Path, install: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plugins", "check", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {"checked": list(DEFAULT_PLUGINS), "problems": []}


def with_policy(policy: Any) -> ModuleType:
    """Return a plugin that registers a selection policy."""
    module = ModuleType("policies")
    module.register_selection_policies = hookimpl(  # type: ignore[attr-defined]
        lambda register: register(policy), specname="register_selection_policies"
    )
    return module


@implementer(ISelectionPolicy)
class Grabbing:
    name = "Grabbing"
    sticky = False

    def select(self, candidates: Any, context: Any) -> Any:
        return [candidates[0]]

    def moves(self, bound: Any, candidates: Any, context: Any) -> bool:
        return False


def test_check_reports_problems_and_fails(
    home: Path, install: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    install(mine=with_policy(Grabbing()), broken=ValueError("no"))
    assert main(["plugins", "check", "mine"]) == 1
    said = capsys.readouterr().out
    assert "mine: selection policy 'Grabbing' raises IndexError" in said
    assert "1 plugin checked, 1 problem found." in said
    assert "broken" not in said
    assert main(["plugins", "check"]) == 1
    assert "broken: could not be loaded: ValueError: no" in capsys.readouterr().out


def test_check_of_unknown_plugin_fails(
    home: Path, install: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "antigravity.toml").write_text('[plugins]\nblocked = ["gemini"]\n')
    assert main(["plugins", "check", "gemini", "nobody"]) == 1
    assert (
        "There is no plugin gemini, nobody; blocked: gemini. Run 'antigravity plugins list'."
        in capsys.readouterr().err
    )


def test_new_plugin_passes_its_own_tests(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "made"
    assert main(["plugins", "new", "my-server", "--into", str(folder), "--json"]) == 0
    files = json.loads(capsys.readouterr().out)["files"]
    assert str(folder / "src" / "antigravity_my_server" / "plugin.py") in files
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:]
    assert "4 passed" in done.stdout


@pytest.mark.parametrize("name", ["My", "a--b", "9to5", "é", "a b", "../up"])
def test_new_refuses_invalid_name(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert main(["plugins", "new", name, "--into", str(tmp_path / "made")]) == 1
    assert "is not a valid name for a plugin" in capsys.readouterr().err
    assert not (tmp_path / "made").exists()


def test_new_refuses_name_of_builtin_plugin(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plugins", "new", "openai", "--into", str(tmp_path / "made")]) == 1
    assert "the name of a built-in plugin" in capsys.readouterr().err
    assert not (tmp_path / "made").exists()


def test_doctor_accepts_kinds_and_policies_of_plugins(
    home: Path, install: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    file = home / "antigravity.toml"
    file.write_text('[proxy.scheduling]\nmode = "Grabbing"\n')
    install(mine=with_policy(Grabbing()), broken=ValueError("no"))
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert "Grabbing" not in said
    assert "warn  plugins: broken could not be loaded: ValueError: no" in said
    assert "plugins check broken" in said
    file.write_text(f'{file.read_text()}[plugins]\nblocked = ["mine"]\n')
    assert main(["doctor"]) == 1
    said = capsys.readouterr().out
    assert "there is no selection policy 'Grabbing' (a blocked plugin may provide it: mine)" in said


def test_new_refuses_existing_folder(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "work").write_text("mine")
    assert main(["plugins", "new", "mine", "--into", str(tmp_path)]) == 1
    assert "not empty" in capsys.readouterr().err
    assert (tmp_path / "work").read_text() == "mine"
