"""Files that responses refer to, and their URLs."""

from __future__ import annotations

import pytest

from antigravity.config.secret import Secret
from antigravity.interfaces.files import PublishedFile
from tests.web.builders import WebHarness

PICTURE = PublishedFile("image/png", b"\x89PNG picture", 59.5)


def web(**proxy: object) -> WebHarness:
    made = WebHarness(**proxy)
    made.exchange.files["abc.png"] = PICTURE
    return made


def test_file_is_served_by_name_without_key() -> None:
    asked = web(auth_mode="strict", api_key=Secret("k"))
    answer = asked.ask("GET", "/files/abc.png")
    assert (answer.status, answer.body) == (200, PICTURE.data)
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["cache-control"] == "private, max-age=59"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert asked.ask("HEAD", "/files/abc.png").status == 200


@pytest.mark.parametrize("kind", ["text/html", "image/svg+xml", "image/png; x", ""])
def test_file_that_is_no_image_is_an_attachment(kind: str) -> None:
    asked = WebHarness()
    asked.exchange.files["abc"] = PublishedFile(kind, b"<script>", 59.5)
    answer = asked.ask("GET", "/files/abc")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == "attachment"


@pytest.mark.parametrize("path", ["/files/", "/files/abd.png", "/files/abc.png/", "/files/a/b"])
def test_files_are_not_listed(path: str) -> None:
    answer = web().ask("GET", path)
    assert answer.status == 404
    assert b"picture" not in answer.body


@pytest.mark.parametrize("path", ["/files", "/file/abc.png", "//files/abc.png"])
def test_other_paths_need_the_key(path: str) -> None:
    assert web(auth_mode="strict", api_key=Secret("k")).ask("GET", path).status == 401


def test_other_methods_need_the_key() -> None:
    asked = web(auth_mode="strict", api_key=Secret("k"))
    assert asked.ask("DELETE", "/files/abc.png").status == 401


@pytest.mark.parametrize(
    ("headers", "proxy", "host", "address"),
    [
        ((), {}, "localhost:8045", "http://localhost:8045"),
        (("X-Forwarded-Proto: https",), {}, "127.0.0.1", "https://127.0.0.1"),
        (("X-Forwarded-Proto: javascript",), {}, "127.0.0.1", "http://127.0.0.1"),
        (("X-Forwarded-Host: evil.example",), {}, "localhost", "http://localhost"),
        (
            ("X-Forwarded-Host: llm.example:444", "X-Forwarded-Proto: https"),
            {"allowed_hosts": ["llm.example"]},
            "localhost",
            "https://llm.example:444",
        ),
        ((), {"public_url": "https://llm.example/at/"}, "localhost", "https://llm.example/at"),
    ],
)
def test_base_url_is_the_one_that_the_client_used(
    headers: tuple[str, ...], proxy: dict[str, object], host: str, address: str
) -> None:
    asked = WebHarness(**proxy)
    asked.ask("POST", "/v1/chat/completions", b"{}", *headers, host=host)
    assert asked.exchange.call.base_url == address
