"""Built pages have no list of contents, for which the theme would show an error."""

from __future__ import annotations

import importlib.util
import re
from types import ModuleType

import docutils.core
import pytest
from docutils import nodes

from tests.house.pages import ROOT

PAGES = [
    path for path in sorted((ROOT / "docs").glob("*.rst")) if ".. contents::" in path.read_text()
]


@pytest.fixture(scope="module")
def extension() -> ModuleType:
    path = ROOT / "docs" / "page_contents.py"
    spec = importlib.util.spec_from_file_location("page_contents", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_builder_uses_the_extension() -> None:
    (line,) = re.findall(r"^extensions = .*$", (ROOT / "docs/conf.py").read_text(), re.MULTILINE)
    assert '"page_contents"' in line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_contents_are_left_out_and_nothing_else(extension: ModuleType, page: str) -> None:
    document = docutils.core.publish_doctree((ROOT / "docs" / page).read_text("utf-8"))
    sections = len(list(document.findall(nodes.section)))
    assert list(document.findall(nodes.topic))
    extension.leave_out_contents(None, document)
    assert not list(document.findall(nodes.topic))
    assert len(list(document.findall(nodes.section))) == sections
