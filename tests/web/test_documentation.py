"""The built documentation is served, and nothing else is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, maybeDeferred

from antigravity.ir.errors import NotFoundError
from antigravity.web import documentation
from antigravity.web.documentation import DocumentationPaths
from tests.web.builders import WebHarness


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    built = tmp_path / "built"
    (built / "_static").mkdir(parents=True)
    (built / "index.html").write_text("<h1>Welcome</h1>")
    (built / "_static" / "a.css").write_text("p {}")
    (built / "secret.env").write_text("KEY=1")
    (tmp_path / "outside.html").write_text("outside")
    (built / "link.html").symlink_to(tmp_path / "outside.html")
    return built


def read(paths: DocumentationPaths, name: str) -> bytes | None:
    return paths._read(name)


def test_files_of_folder_are_found(folder: Path) -> None:
    paths = DocumentationPaths(folder)
    assert read(paths, "index.html") == b"<h1>Welcome</h1>"
    assert read(paths, "_static/a.css") == b"p {}"


@pytest.mark.parametrize(
    "name",
    ["../outside.html", "secret.env", "link.html", "", ".", "/etc/passwd", "_static", "a\0.html"],
)
def test_other_files_are_not_found(folder: Path, name: str) -> None:
    assert read(DocumentationPaths(folder), name) is None


def test_missing_documentation_is_explained(tmp_path: Path) -> None:
    paths = DocumentationPaths(tmp_path / "none")
    assert read(paths, "index.html") is None

    class Request:
        channel = object()

    with pytest.raises(NotFoundError, match="make docs") as caught:
        paths._write(None, Request(), "index.html")
    assert caught.value.code == "page_not_found"


def test_folder_without_slash_leads_to_first_page() -> None:
    response = WebHarness().request("GET", "/docs")
    assert (response.status, response.headers["location"]) == (308, "/docs/")


@pytest.fixture
def web(folder: Path, monkeypatch: pytest.MonkeyPatch) -> WebHarness:
    """Return an application that reads files of the folder at once instead of in a thread."""

    def call(reactor: Any, function: Any, *arguments: Any) -> Deferred[Any]:
        return maybeDeferred(function, *arguments)

    monkeypatch.setattr(documentation, "call_in_thread", call)
    monkeypatch.setattr(DocumentationPaths.__init__, "__defaults__", (folder,))
    return WebHarness()


@pytest.mark.parametrize("path", ["/docs/", "/docs/index.html"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_page_is_served(web: WebHarness, path: str, method: str) -> None:
    response = web.request(method, path)
    assert response.status == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in response.headers["content-security-policy"]
    if method == "GET":
        assert response.body == b"<h1>Welcome</h1>"


def test_style_sheet_is_served(web: WebHarness) -> None:
    response = web.request("GET", "/docs/_static/a.css")
    assert (response.status, response.headers["content-type"]) == (200, "text/css; charset=utf-8")


@pytest.mark.parametrize(
    "path", ["/docs/secret.env", "/docs/../outside.html", "/docs/%2e%2e/outside.html", "/docs/none"]
)
def test_unknown_page_is_not_found(web: WebHarness, path: str) -> None:
    response = web.request("GET", path)
    assert response.status == 404
    assert b"outside" not in response.body or b"There is no such page" in response.body
