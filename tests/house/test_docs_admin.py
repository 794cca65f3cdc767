"""docs/admin-api.rst lists every request of the admin API as the gateway describes it."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import docutils.core
import pytest
from jsonschema import Draft202012Validator

from tests.house.pages import ROOT, table
from tests.support.gateway_process import running

PAGE = ROOT / "docs" / "admin-api.rst"
KEY = "sk-admin"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    path = Path(PAGE.parent / "list_admin_api.py")
    spec = importlib.util.spec_from_file_location("list_admin_api", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


Get = Callable[[str], Any]


@pytest.fixture(scope="module")
def get(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Get]:
    """Run a demo gateway with an admin key; give a function that asks it for JSON."""
    folder = tmp_path_factory.mktemp("admin")
    home = folder / "home"
    home.mkdir(mode=0o700)
    (home / "antigravity.toml").write_text(f'[proxy]\nadmin_key = "{KEY}"\n')
    twistd = shutil.which("twistd", path=str(Path(sys.executable).parent))
    assert twistd is not None
    options = ("--nodaemon", "--pidfile=", "antigravity", "--demo", "--port", "0")
    with running((twistd, *options), home, folder) as gateway:
        address = gateway.address()

        def ask(path: str) -> Any:
            request = urllib.request.Request(address + path, headers={"x-api-key": KEY})
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(request, timeout=30) as response:
                return json.load(response)

        yield ask


@pytest.fixture(scope="module")
def document(get: Get) -> Any:
    return get("/admin/openapi.json")


def test_list_is_what_the_gateway_describes(script: ModuleType, document: Any) -> None:
    _, found, listed = PAGE.read_text("utf-8").partition(script.MARKER)
    assert found
    assert listed == script.render(document), "run: python docs/list_admin_api.py"


def test_every_request_has_a_row_and_a_section(document: Any) -> None:
    described = {
        f"{method.upper()} {path}"
        for path, methods in document["paths"].items()
        for method in methods
    }
    assert {row[0] for row in table("docs/admin-api.rst", "Request")} == described
    titles = re.findall(r"^``([A-Z]+ /\S+)``\n~+$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert sorted(titles) == sorted(described)


def test_types_are_linked_to_their_sections() -> None:
    settings = {"report_level": 1, "halt_level": 2}
    docutils.core.publish_doctree(PAGE.read_text("utf-8"), settings_overrides=settings)


def test_examples_of_reading_requests_work(get: Get) -> None:
    reading = re.compile(r"\$ curl '?http://[0-9.]+:8045(/[a-z./]+(?:\?[^ ']+)?)'? -H '[^']+'$")
    paths = [each[1] for line in PAGE.read_text().splitlines() if (each := reading.search(line))]
    assert "/admin/status" in paths
    for path in paths:
        assert get(path)


def test_examples_of_bodies_are_valid(document: Any) -> None:
    examples = [
        content
        for methods in document["paths"].values()
        for operation in methods.values()
        for content in operation.get("requestBody", {}).get("content", {}).values()
    ]
    assert examples
    for content in examples:
        schema = {**content["schema"], "components": document["components"]}
        Draft202012Validator(schema).validate(content.get("example", {}))
