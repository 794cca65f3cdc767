"""The authority of a URL."""

from __future__ import annotations

import pytest

from antigravity.transport.authority import Authority, _read, authority_of


@pytest.mark.parametrize(
    ("url", "secure", "where", "host"),
    [
        ("http://h/v1/x?key=secret", False, "h:80", "h"),
        ("https://h", True, "h:443", "h"),
        ("https://h:80/", True, "h:80", "h:80"),
        ("http://h:443?x=/y", False, "h:443", "h:443"),
        ("http://[::1]:9100/v1", False, "[::1]:9100", "[::1]:9100"),
        ("https://[::1]/v1#part", True, "[::1]:443", "[::1]"),
        ("https://user:secret@h:1/x", True, "h:1", "h:1"),
    ],
)
def test_authority_has_host_and_port(url: str, secure: bool, where: str, host: str) -> None:
    assert authority_of(url.encode()) == Authority(secure, where, host.encode())


@pytest.mark.parametrize("url", ["http://[::1/x", "http://" + "h" * 400 + "/x"])
def test_url_without_host_is_refused(url: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any will do
        authority_of(url.encode())


def test_path_and_query_are_not_cached() -> None:
    _read.cache_clear()
    for number in range(10):
        authority_of(f"https://h/{number}?key={number}".encode())
    assert _read.cache_info().currsize == 1
