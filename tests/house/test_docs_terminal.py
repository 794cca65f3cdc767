"""The recorded terminal session is what the commands print, and can be read everywhere."""

from __future__ import annotations

import html
import importlib.util
import os
import re
import shutil
import sys
from types import ModuleType
from xml.etree import ElementTree

import click
import pytest

from antigravity.cli.main import antigravity
from tests.house.pages import ROOT

PATH = ROOT / "docs" / "record_terminal.py"
PAGES = ("README.rst", "docs/start.rst")

pytestmark = pytest.mark.skipif(os.name == "nt", reason="there is no pseudo-terminal")


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("record_terminal", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def texts(picture: str) -> list[str]:
    """Return the lines of a picture as text."""
    lines: dict[float, str] = {}
    for element in ElementTree.fromstring(picture).iter("{http://www.w3.org/2000/svg}text"):
        if "clip-path" in element.attrib:
            height = float(element.attrib["y"])
            start = round(float(element.attrib["x"]) / 12.2)
            lines[height] = lines.get(height, "").ljust(start) + (element.text or "")
    return [line.replace("\xa0", " ").rstrip() for _, line in sorted(lines.items())]


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
def test_picture_is_what_the_commands_print(script: ModuleType) -> None:
    recorded, now = script.PICTURE.read_text("utf-8"), script.draw(script.record())
    assert texts(recorded) == texts(now), "run: python docs/record_terminal.py"
    assert recorded == now, "run: python docs/record_terminal.py"


def test_picture_shows_the_commands_of_the_script_which_exist(script: ModuleType) -> None:
    text = "\n".join(texts(script.PICTURE.read_text("utf-8")))
    typed = re.findall(r"^\$ ((?:.*\\\n)*.*)$", text, re.MULTILINE)
    assert typed == [script.SERVE, *script.COMMANDS]
    ours = [line.split() for line in typed if line.startswith("antigravity ")]
    assert [line[1] for line in ours] == ["serve", "requests", "status", "connect"]
    for _, name, *arguments in ours:
        command = antigravity.get_command(click.Context(antigravity), name)
        assert command is not None
        options = {option for each in command.params for option in each.opts}
        assert {each for each in arguments if each.startswith("-")} <= options


def test_picture_has_a_response_a_row_and_a_difference(script: ModuleType) -> None:
    text = html.unescape("\n".join(texts(script.PICTURE.read_text("utf-8"))))
    for part in ('"content":"Hello!"', "200 ok", "DEMO:", "ANTHROPIC_BASE_URL", "listening on"):
        assert part in text


def test_picture_loads_nothing_and_is_readable(script: ModuleType) -> None:
    picture = script.PICTURE.read_text("utf-8")
    addresses = set(re.findall(r"https?://[^\"<&/ ]+", picture))
    assert addresses == {"http://www.w3.org", "http://127.0.0.1:8045"}
    assert "@font-face" not in picture
    theme = script._THEME
    for colour in (theme.foreground_color, *(theme.ansi_colors[number] for number in range(1, 16))):
        assert contrast(tuple(colour), tuple(theme.background_color)) >= 4.5


def contrast(first: tuple[int, ...], second: tuple[int, ...]) -> float:
    """Return the contrast of two colours (WCAG 2.2)."""

    def luminance(colour: tuple[int, ...]) -> float:
        parts = (each / 255 for each in colour)
        red, green, blue = (
            p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    lighter, darker = sorted((luminance(first), luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("page", PAGES)
def test_picture_has_a_text_for_those_who_do_not_see_it(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    (alt,) = re.findall(r"terminal\.svg\n   :alt: ((?:.+\n)(?:         .+\n)*)", text)
    assert len(alt) > 80
    for command in ("serve", "curl", "requests", "status", "connect"):
        assert command in alt
