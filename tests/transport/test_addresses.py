"""Public and other IP addresses; URLs of files, and file types."""

from __future__ import annotations

import pytest

from antigravity.ir.errors import InvalidRequestError
from antigravity.ir.sniff import mime_type_of, sniff
from antigravity.transport.public_addresses import is_public
from antigravity.transport.web_address import join_url, parse_url


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1",
        "127.255.0.1", "168.63.129.16", "169.254.169.254", "172.16.0.1", "172.31.255.255",
        "192.0.0.192", "192.0.2.1", "192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1",
        "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "::", "::1",
        "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "64:ff9b::7f00:1",
        "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::", "3fff::1",
        "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "ff02::1", "2600::1%eth0",
        "", "localhost", "1.2.3", "0x7f.1",
    ],
)  # fmt: skip
def test_address_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    ["1.1.1.1", "8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "64:ff9b::808:808"],
)
def test_address_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    ("url", "again"),
    [
        ("HTTP://Example.COM", "http://example.com/"),
        ("https://example.com:443/a b?q=ü#frag", "https://example.com/a%20b?q=%C3%BC"),
        ("http://bücher.example./x", "http://xn--bcher-kva.example/x"),
        ("http://[2606:4700::1111]:8080/", "http://[2606:4700::1111]:8080/"),
        ("https://h/%41?x=1&y=%20", "https://h/%41?x=1&y=%20"),
    ],
)
def test_url_is_normalized(url: str, again: str) -> None:
    assert parse_url(url).url == again


@pytest.mark.parametrize(
    "url",
    [
        "", "x", "/x", "file:///etc/passwd", "ftp://h/", "data:,x", "gopher://h/", "http://",
        "http:///x", "http://user@h/", "http://user:secret@h/", "http://h:0/", "http://h:99999/",
        "http://h:x/", "http://[::1", "http://[fe80::1%25eth0]/", "https://" + "x" * 9000,
    ],
)  # fmt: skip
def test_url_that_must_not_be_fetched_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        parse_url(url)
    assert "secret" not in str(caught.value)


def test_redirect_is_relative_to_its_url() -> None:
    base = parse_url("https://h/a/b?x")
    assert join_url(base, "../c").url == "https://h/c"
    assert join_url(base, "//other/").url == "https://other/"
    assert base.shown == "https://h/a/b"
    with pytest.raises(InvalidRequestError):
        join_url(base, "file:///etc/passwd")


@pytest.mark.parametrize(
    ("data", "mime_type"),
    [
        (b"\x89PNG\r\n\x1a\n...", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"RIFF....WEBPVP8 ", "image/webp"),
        (b"RIFF....WAVEfmt ", "audio/wav"),
        (b"RIFF....????", None),
        (b"%PDF-1.7", "application/pdf"),
        (b"....ftypisom", "video/mp4"),
        (b"....ftypM4A ", "audio/mp4"),
        (b"\xff\xfb\x90", "audio/mpeg"),
        (b"\xff\xf1\x50", "audio/aac"),
        (b"FORM....AIFF", "audio/aiff"),
        (b"", None),
        (b"plain text", None),
    ],
)
def test_file_type_is_sniffed(data: bytes, mime_type: str | None) -> None:
    assert sniff(data) == mime_type
    assert mime_type_of("application/octet-stream", data) == (
        mime_type or "application/octet-stream"
    )
    assert mime_type_of("Text/Plain; charset=utf-8", data) == "text/plain"
