"""The reference of settings, and the comments of the configuration file, come from the code."""

from __future__ import annotations

import importlib.util
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest

from antigravity.config.paths import dotted
from antigravity.config.schema import known_keys
from antigravity.config.settings import Settings
from antigravity.config.snapshot import load
from antigravity.version import VERSION
from release import surface
from tests.house.pages import ROOT

PATH = ROOT / "docs" / "list_settings.py"
REMEDY = "run: python docs/list_settings.py"
SERVER = {"ANTIGRAVITY_MCP__SERVERS__NAME__URL": "https://mcp.example.org/mcp"}
#: What else must be set, by the setting or the table that is shown; the last one that fits counts.
REQUIRED = {
    "upstreams.NAME.": {"ANTIGRAVITY_UPSTREAMS__NAME__KIND": "anthropic"},
    "upstreams.NAME.kind": {},
    "mcp.servers.NAME.": SERVER,
    "mcp.servers.NAME.url": {},
    **{f"mcp.servers.NAME.{each}": {} for each in ("command", "args", "env")},
    "mcp.servers.NAME.oauth.client_secret": {
        **SERVER,
        "ANTIGRAVITY_MCP__SERVERS__NAME__OAUTH__ISSUER": "https://login.example.org",
        "ANTIGRAVITY_MCP__SERVERS__NAME__OAUTH__CLIENT_ID": "my-client",
    },
    "tunnel.mode": {
        "ANTIGRAVITY_TUNNEL__TOKEN": "eyJhIjoieW91ci10b2tlbiJ9",
        "ANTIGRAVITY_TUNNEL__ORIGIN_PORT": "8047",
    },
}


def read_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("list_settings", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SCRIPT = read_script()
TABLES = SCRIPT.tables()
SETTINGS = [setting for table in TABLES for setting in table.settings]


def test_page_is_what_the_code_says() -> None:
    _, found, listed = SCRIPT.PAGE.read_text("utf-8").partition(SCRIPT.MARKER)
    assert found
    assert listed == SCRIPT.render(TABLES), REMEDY


@pytest.mark.parametrize("file", SCRIPT.FILES, ids=lambda file: str(file.parent.name))
def test_comments_of_the_file_are_what_the_code_says(file: Path) -> None:
    text = file.read_text("utf-8")
    assert text == SCRIPT.render_file(text, TABLES), REMEDY


def test_changed_description_changes_page_and_file() -> None:
    change = msgspec.structs.replace
    about = ("A new description.",)
    changed = [
        change(table, settings=tuple(change(each, about=about) for each in table.settings))
        for table in TABLES
    ]
    assert SCRIPT.render(changed).count("   A new description.\n") == len(SETTINGS)
    text = SCRIPT.FILES[0].read_text("utf-8")
    again = SCRIPT.render_file(text, changed)
    assert again.count("# A new description.\n") == len(SETTINGS) - 1  # the file shows no plugin
    assert tomllib.loads(again) == tomllib.loads(text)


def test_page_has_every_setting() -> None:
    expected = {dotted(key).replace('"*"', "NAME") for key in known_keys()}
    assert {each.name for each in SETTINGS} == expected


def test_every_setting_is_described() -> None:
    assert [each.name for each in SETTINGS if not each.about] == []
    for each in SETTINGS:
        assert each.about[0].endswith("."), each.name
        assert "`_" not in each.about[0], f"{each.name}: the file cannot show links"


def test_types_and_bounds_are_said_in_words() -> None:
    words = {each.name: SCRIPT.type_in_words(each.kind) for each in SETTINGS}
    assert words["proxy.port"] == "whole number, from 0 to 65535"
    assert words["proxy.scheduling.max_lock_seconds"].endswith(", from 1 second to 366 days")
    assert words["upstreams.NAME.api_keys"] == "list of secret texts"
    assert words["routing.fallback_models"] == "table of lists of texts"
    assert words["log.max_bytes"].endswith(", at least 64 KiB")
    assert words["upstreams.NAME.options"] == "table"
    assert [name for name, text in words.items() if text == "any"] == []


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: str(setting.name))
def test_example_is_valid_in_file_and_environment_and_changes_something(
    setting: Any, tmp_path: Path
) -> None:
    def configured(text: str, environ: dict[str, str]) -> Settings:
        (tmp_path / "antigravity.toml").write_text(text, "utf-8")
        return load(tmp_path, environ={**required, **environ}).settings

    required: dict[str, str] = {}
    for name, variables in REQUIRED.items():
        if setting.name.startswith(name):
            required = variables
    table = setting.name.rpartition(".")[0].replace("NAME", "name")
    header = f"[{table}]\n" if table else ""
    by_file = configured(f"{header}{setting.key} = {setting.example}\n", {})
    by_variable = configured("", {setting.variable: SCRIPT.variable_text(setting)})
    assert by_file == by_variable
    if setting.default:
        assert by_file != configured(header, {})


def test_defaults_are_written_as_in_the_file() -> None:
    shown = {each.name: each.default for each in SETTINGS}
    assert tomllib.loads(f"port = {shown['proxy.port']}") == {"port": Settings().proxy.port}
    assert [name for name, default in shown.items() if not default] == ["upstreams.NAME.kind"]


def test_versions_are_those_of_the_recorded_surface() -> None:
    recorded = surface.read_recorded()["settings"]
    for each in SETTINGS:
        name = each.name.replace(".NAME", ".*")
        if name.startswith("experimental."):
            assert each.since == "experimental"
        elif name in recorded:
            assert each.since == f"since {recorded[name]['since']}"
        else:
            assert each.since == "since the next version"


def test_record_keeps_the_version_that_had_a_setting_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    recorded = tmp_path / "surface.json"
    recorded.write_text('{"settings": {"proxy.port": {"since": "0.0.1"}}}')
    monkeypatch.setattr(surface, "RECORDED", recorded)
    monkeypatch.setattr(surface, "PARTS", {"settings": surface.settings})
    surface.record()
    written = surface.read_recorded()
    assert written["settings"]["proxy.port"]["since"] == "0.0.1"
    assert written["settings"]["proxy.listen"]["since"] == VERSION
    assert surface.broken(written, surface.collect()) == []
    written["settings"]["proxy.port"]["default"] = 1
    (line,) = surface.broken(written, surface.collect())
    assert line.startswith("settings: proxy.port was ")
