"""The picture in docs/architecture.rst shows every room, and imports point down in it."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from tests.house.imports import PACKAGE, modules, ours, room
from tests.house.pages import table

DOCS = Path(__file__).parents[2] / "docs"
DATA = tomllib.loads((DOCS / "architecture.toml").read_text("utf-8"))
#: The number of the layer that each room is in, from the top.
LAYERS = {
    each["name"]: number for number, layer in enumerate(DATA["layer"]) for each in layer["rooms"]
}


@pytest.fixture
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("draw", DOCS / "draw_architecture.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_diagram_matches_its_data(script: ModuleType) -> None:
    drawn = (DOCS / "architecture.svg").read_text("utf-8")
    assert drawn == script.draw(DATA), "run: python docs/draw_architecture.py"


def test_diagram_shows_every_room() -> None:
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert rooms == set(LAYERS)


def test_imports_of_rooms_point_down_or_sideways() -> None:
    wrong = set()
    for path in modules():
        here = room(path)
        for name in ours(path):
            there = name.split(".")[0]
            if here in LAYERS and there in LAYERS and LAYERS[there] < LAYERS[here]:
                wrong.add(f"{here} imports {there}")
    assert not wrong


def test_files_named_in_architecture_page_exist() -> None:
    page = (DOCS / "architecture.rst").read_text("utf-8")
    named = re.findall(r"``(antigravity/[a-z_/]+(?:\.py|\.toml|/))``", page)
    assert len(named) > 30
    assert [name for name in named if not (DOCS.parent / name).exists()] == []


def test_architecture_page_lists_common_changes() -> None:
    assert len(table("docs/architecture.rst", "To")) >= 20
