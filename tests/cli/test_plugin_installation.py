"""The commands that add a plugin, or an extra, where the gateway is installed."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import pytest

from antigravity.cli.main import main
from antigravity.installation import extra_command, installation_command

WHEEL = "/tmp/a folder/antigravity_gateway-0.1.0-py3-none-any.whl"


def test_pipx_injects_into_the_environment_that_it_has_made(tmp_path: Path) -> None:
    environment = tmp_path / "antigravity-gateway-two"
    environment.mkdir()
    (environment / "pipx_metadata.json").write_text("{}")
    command = installation_command(environment)
    assert command == "pipx inject antigravity-gateway-two PLUGIN"


def test_uv_installs_the_same_file_again_with_all_plugins(tmp_path: Path) -> None:
    (tmp_path / "uv-receipt.toml").write_text(
        "[tool]\nrequirements = [\n"
        f'  {{ name = "antigravity-gateway", extras = ["otel", "redis"], path = "{WHEEL}" }},\n'
        '  { name = "antigravity-mask", directory = "/plugins/mask" },\n'
        '  { name = "antigravity-other", specifier = ">=2" },\n'
        '  { name = "antigravity-third", git = "https://git.example.org/third" },\n'
        "]\n"
    )
    assert shlex.split(installation_command(tmp_path)) == [
        *("uv", "tool", "install", f"{WHEEL}[otel,redis]"),
        *("--with", "/plugins/mask", "--with", "antigravity-other>=2"),
        *("--with", "git+https://git.example.org/third", "--with", "PLUGIN"),
    ]


@pytest.mark.parametrize("text", ["", "[", "[tool]", "[tool]\nrequirements = 1\n"])
def test_receipt_that_tells_nothing_gives_the_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "uv-receipt.toml").write_text(text)
    expected = "uv tool install antigravity-gateway --with PLUGIN"
    assert installation_command(tmp_path) == expected


def test_other_environments_have_pip(tmp_path: Path) -> None:
    python, *rest = shlex.split(installation_command(tmp_path))
    assert Path(python).parents[1] == tmp_path
    assert rest == ["-m", "pip", "install", "PLUGIN"]


def test_pipx_injects_what_an_extra_needs(tmp_path: Path) -> None:
    """It would forget an extra of the gateway with the next upgrade."""
    (tmp_path / "pipx_metadata.json").write_text("{}")
    pipx, inject, name, needed = shlex.split(extra_command("redis", tmp_path))
    assert (pipx, inject, name) == ("pipx", "inject", tmp_path.name)
    assert needed.startswith("txredisapi>=")
    assert shlex.split(extra_command("unknown", tmp_path))[3:] == ["antigravity-gateway[unknown]"]


def test_uv_installs_the_gateway_again_with_one_extra_more(tmp_path: Path) -> None:
    (tmp_path / "uv-receipt.toml").write_text(
        "[tool]\nrequirements = [\n"
        f'  {{ name = "antigravity-gateway", extras = ["otel"], path = "{WHEEL}" }},\n'
        '  { name = "antigravity-mask", directory = "/plugins/mask" },\n'
        "]\n"
    )
    rest = ["--with", "/plugins/mask"]
    install = ["uv", "tool", "install"]
    assert shlex.split(extra_command("redis", tmp_path)) == [
        *install,
        f"{WHEEL}[otel,redis]",
        *rest,
    ]
    assert shlex.split(extra_command("otel", tmp_path)) == [*install, f"{WHEEL}[otel]", *rest]
    (tmp_path / "uv-receipt.toml").write_text("")
    assert extra_command("redis", tmp_path) == "uv tool install 'antigravity-gateway[redis]'"
    (tmp_path / "uv-receipt.toml").write_text(
        '[tool]\nrequirements = [{ name = "antigravity-gateway", git = "https://git.example/g" }]'
    )
    (source,) = shlex.split(extra_command("redis", tmp_path))[3:]
    assert source == "antigravity-gateway[redis] @ git+https://git.example/g"


def test_pip_installs_an_extra(tmp_path: Path) -> None:
    python, *rest = shlex.split(extra_command("redis", tmp_path))
    assert Path(python).parents[1] == tmp_path
    assert rest == ["-m", "pip", "install", "antigravity-gateway[redis]"]


@pytest.mark.usefixtures("install", "home")
def test_list_says_how_to_add_a_plugin(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins", "list"]) == 0
    assert f"To add one: {installation_command(Path(sys.prefix))}\n" in capsys.readouterr().err
    assert main(["plugins", "list", "--json", "--quiet"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["install"] == installation_command()
    assert printed.err == ""
