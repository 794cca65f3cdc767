"""The commented file and the manual list every setting with its default."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from docutils.core import publish_doctree

from antigravity.config.home import master_text
from antigravity.config.paths import KeyPath, dotted
from antigravity.config.schema import default_of, known_keys, plain, settings_type
from antigravity.config.secret import Secret
from antigravity.config.snapshot import load

ROOT = Path(__file__).parents[2]
DOCUMENTED = [key for key in known_keys() if key != ("plugins",)]


def uncommented() -> str:
    """Return the master file with every setting in force."""
    return re.sub(r"^#(?=[^ #\n])", "", master_text(), flags=re.MULTILINE)


def default(path: KeyPath) -> Any:
    """Return the default of a key, as TOML has it."""
    kind = settings_type()
    for place, part in enumerate(path):
        if part == "*":
            continue
        (field,) = [field for field in kind.fields if field.name == part]
        if place == len(path) - 1:
            return msgspec.NODEFAULT if field.required else bare(default_of(field))
        kind = plain(field.type)[0]
        kind = getattr(kind, "value_type", kind)
    raise AssertionError(path)


def bare(value: Any) -> Any:
    return value.reveal() if isinstance(value, Secret) else value


@pytest.mark.parametrize("path", DOCUMENTED, ids=dotted)
def test_every_setting_is_in_the_file_with_its_default(path: KeyPath) -> None:
    value: Any = tomllib.loads(uncommented())
    for part in path:
        value = value["example" if part == "*" else part]
    expected = default(path)
    if expected is not msgspec.NODEFAULT:
        assert value == expected
        assert type(value) is type(expected)


def test_uncommenting_everything_gives_a_valid_configuration(tmp_path: Path) -> None:
    (tmp_path / "antigravity.toml").write_text(uncommented(), encoding="utf-8")
    configuration = load(tmp_path, environ={})
    kinds = {upstream.kind for upstream in configuration.settings.upstreams.values()}
    assert kinds == {"gemini_api", "codeassist", "anthropic", "openai"}
    # The table with all keys has no server in it, the other ones have.
    assert [problem.key for problem in configuration.warnings] == ["mcp.servers.example"]


def test_commented_file_sets_nothing(tmp_path: Path) -> None:
    (tmp_path / "antigravity.toml").write_text(master_text(), encoding="utf-8")
    assert load(tmp_path, environ={}).settings == load(tmp_path / "none", environ={}).settings


def test_every_setting_has_an_explanation() -> None:
    lines = master_text().splitlines()
    section = ""
    for number, line in enumerate(lines):
        if match := re.fullmatch(r"#?\[(.*)\]", line):
            section = match[1]
        elif re.match(r"#[a-z_]+ = ", line) and (
            not section.startswith(("upstreams", "mcp.servers"))
            or section.startswith(("upstreams.example", "mcp.servers.example"))
        ):
            assert lines[number - 1].startswith("# "), line


def test_master_file_in_etc_is_identical() -> None:
    assert (ROOT / "etc" / "antigravity.toml").read_text(encoding="utf-8") == master_text()


def test_manual_is_valid_restructured_text() -> None:
    text = (ROOT / "docs" / "configuration.rst").read_text(encoding="utf-8")
    publish_doctree(text, settings_overrides={"halt_level": 2, "report_level": 2})


def test_examples_of_the_manual_are_valid(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "configuration.rst").read_text(encoding="utf-8")
    blocks = re.findall(r"^\.\. code-block:: toml\n\n((?:   .*\n|\n)+)", text, re.MULTILINE)
    assert len(blocks) > 4
    for block in blocks:
        (tmp_path / "antigravity.toml").write_text(re.sub(r"^   ", "", block, flags=re.M))
        assert load(tmp_path, environ={}).warnings == ()
