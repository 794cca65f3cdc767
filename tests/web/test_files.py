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
    gateway = web(auth_mode="strict", api_key=Secret("k"))
    response = gateway.request("GET", "/files/abc.png")
    assert (response.status, response.body) == (200, PICTURE.data)
    assert response.headers["content-type"] == "image/png"
    assert response.headers["cache-control"] == "private, max-age=59"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in response.headers["content-security-policy"]
    assert gateway.request("HEAD", "/files/abc.png").status == 200


@pytest.mark.parametrize("kind", ["text/html", "image/svg+xml", "image/png; x", ""])
def test_file_that_is_no_image_is_an_attachment(kind: str) -> None:
    gateway = WebHarness()
    gateway.exchange.files["abc"] = PublishedFile(kind, b"<script>", 59.5)
    response = gateway.request("GET", "/files/abc")
    assert response.headers["content-type"] == "application/octet-stream"
    assert response.headers["content-disposition"] == "attachment"


@pytest.mark.parametrize("path", ["/files/", "/files/abd.png", "/files/abc.png/", "/files/a/b"])
def test_files_are_not_listed(path: str) -> None:
    response = web().request("GET", path)
    assert response.status == 404
    assert b"picture" not in response.body


@pytest.mark.parametrize("path", ["/files", "/file/abc.png", "//files/abc.png"])
def test_other_paths_need_the_key(path: str) -> None:
    assert web(auth_mode="strict", api_key=Secret("k")).request("GET", path).status == 401


def test_other_methods_need_the_key() -> None:
    gateway = web(auth_mode="strict", api_key=Secret("k"))
    assert gateway.request("DELETE", "/files/abc.png").status == 401


#: A gateway with a proxy on its machine.
PROXIED: dict[str, object] = {"trusted_proxies": ["127.0.0.1"], "auth_mode": "off"}


@pytest.mark.parametrize(
    ("headers", "proxy", "host", "address"),
    [
        ((), {}, "localhost:8045", "http://localhost:8045"),
        (("X-Forwarded-Proto: https",), {}, "127.0.0.1", "http://127.0.0.1"),
        (("X-Forwarded-Proto: https",), PROXIED, "127.0.0.1", "https://127.0.0.1"),
        (("X-Forwarded-Proto: javascript",), PROXIED, "127.0.0.1", "http://127.0.0.1"),
        (("X-Forwarded-Host: evil.example",), PROXIED, "localhost", "http://localhost"),
        (
            ("X-Forwarded-Host: llm.example:444", "X-Forwarded-Proto: https"),
            {"allowed_hosts": ["llm.example"], **PROXIED},
            "localhost",
            "https://llm.example:444",
        ),
        (
            ("X-Forwarded-Host: llm.example:444", "X-Forwarded-Proto: https"),
            {"allowed_hosts": ["llm.example"]},
            "localhost",
            "http://localhost",
        ),
        ((), {"public_url": "https://llm.example/at/"}, "localhost", "https://llm.example/at"),
    ],
)
def test_base_url_is_the_address_that_the_client_used(
    headers: tuple[str, ...], proxy: dict[str, object], host: str, address: str
) -> None:
    gateway = WebHarness(**proxy)
    gateway.request("POST", "/v1/chat/completions", b"{}", *headers, host=host)
    assert gateway.exchange.call.base_url == address
