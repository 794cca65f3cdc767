"""docs/hooks.rst lists every hook, and the types that hooks name, as the code has them."""

from __future__ import annotations

import importlib.util
from types import ModuleType

import docutils.core
import pytest

from antigravity.interfaces.mcp import IMcpTool
from antigravity.ir.record import ExchangeRecord
from antigravity.plugins import HOOKS
from tests.house.pages import ROOT

PATH = ROOT / "docs" / "list_hooks.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("list_hooks", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_page_is_what_the_code_says(script: ModuleType) -> None:
    _, found, listed = script.PAGE.read_text("utf-8").partition(script.MARKER)
    assert found
    assert listed == script.render(), "run: python docs/list_hooks.py"


def test_page_has_every_hook_with_its_guide(script: ModuleType) -> None:
    listed = script.render()
    assert set(script.hooks()) == set(HOOKS)
    for name in script.hooks():
        assert f"\n{name}\n{'-' * len(name)}\n" in listed
    guides = docutils.core.publish_doctree((ROOT / "docs/plugins.rst").read_text("utf-8"))
    anchors = [line.partition("#")[2] for line in listed.splitlines() if "<plugins.rst#" in line]
    assert len(anchors) == len(script.hooks())
    for anchor in anchors:
        assert anchor.removesuffix(">`_.") in guides.ids


def test_page_has_members_and_fields_of_what_hooks_name(script: ModuleType) -> None:
    listed = script.render()
    for name in IMcpTool.names():
        assert f"* ``{name}" in listed
    for name in ExchangeRecord.__struct_fields__:
        assert f"* ``{name}: " in listed


def test_links_to_types_lead_somewhere(script: ModuleType) -> None:
    settings = {"report_level": 1, "halt_level": 2}
    docutils.core.publish_doctree(script.PAGE.read_text("utf-8"), settings_overrides=settings)
