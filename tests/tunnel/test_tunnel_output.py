"""What cloudflared says is understood, and what must not be in a log is taken out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.tunnel.output import (
    Origin,
    OutputCleaner,
    find_quick_host_name,
    is_permanent_failure,
    lost_connection,
    parse_line,
    parse_origins,
    registered_connection,
)
from tests.tunnel.fake_cloudflared import (
    BAD_TOKEN,
    BOX,
    HELP,
    REGISTERED,
    REQUESTING,
    SECRET,
    TOKEN,
    box,
    configured,
)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (box("calm-river-blue"), "calm-river-blue.trycloudflare.com"),
        ("| https://Calm-River.trycloudflare.com |", "calm-river.trycloudflare.com"),
        (REQUESTING, ""),
        (BOX, ""),
        ('ERR failed: Post "https://api.trycloudflare.com/tunnel": EOF', ""),
        ("https://calm-river.trycloudflare.com.evil.example", "calm-river.trycloudflare.com"),
        ("https://trycloudflare.com.evil.example", ""),
    ],
)
def test_quick_address_is_found(line: str, name: str) -> None:
    assert find_quick_host_name(line) == name


def test_registered_and_lost_connections_are_found() -> None:
    assert registered_connection(REGISTERED) == "0"
    old = "INF Connection 1f2035b6-c61f-401b-86fc-260e9955f6ae registered connIndex=1"
    assert registered_connection(old) == "1"
    unregistered = "INF Unregistered tunnel connection connIndex=2"
    assert (
        lost_connection(unregistered),
        registered_connection(unregistered),
    ) == ("2", None)
    assert lost_connection(REGISTERED) is None
    assert registered_connection("INF Registering tunnel connection") is None


def test_origins_are_parsed() -> None:
    line = configured(("llm.example.org", "http://localhost:8046"), ("x.example", "ssh://x:22"))
    assert parse_origins(line) == (
        Origin("http://localhost:8046", "llm.example.org"),
        Origin("ssh://x:22", "x.example"),
    )
    assert parse_origins(REGISTERED) is None
    assert parse_origins('INF Updated to new configuration config="{broken" version=1') is None
    line = 'INF Updated to new configuration config="{\\"ingress\\":7}" version=1'
    assert parse_origins(line) is None


@pytest.mark.parametrize(
    "asked",
    [
        "https://a.example/v1beta/models/m:generateContent?key=sk-client-secret&alt=sse",
        "https://a.example/?a=http://b.example/?key=sk-client-secret",
        "https://a.example/files/sk-client-secret.png",
    ],
)
def test_request_urls_are_removed_from_lines(asked: str) -> None:
    for dest in (asked, f'"{asked}"'):
        failed = f"ERR Request failed error=EOF connIndex=0 dest={dest} event=0 ip=1.2.3.4"
        clean = OutputCleaner().clean(failed)
        assert "sk-client-secret" not in clean
        assert clean.startswith("ERR Request failed error=EOF connIndex=0 dest=")
        assert clean.endswith(" event=0 ip=1.2.3.4")
    assert (
        OutputCleaner().clean("dest=https://a.example/v1/x type=http").endswith("/v1/x type=http")
    )


def test_coloured_token_is_removed() -> None:
    assert TOKEN not in OutputCleaner(TOKEN).clean(f"{TOKEN[:9]}\x1b[31m{TOKEN[9:]}\x1b[0m")


def test_line_level_and_reason_are_parsed() -> None:
    said = parse_line('2026-01-01T00:00:00Z WRN slow error="x"')
    assert (said.level, said.text, said.is_reason) == ("warn", 'slow error="x"', False)
    assert parse_line("2026-01-01T00:00:00Z FTL gone").is_reason
    assert parse_line(BAD_TOKEN).is_reason
    assert not parse_line(HELP).is_reason
    assert not parse_line(REGISTERED).is_reason


@pytest.mark.parametrize(
    "text",
    [
        BAD_TOKEN,
        'Register tunnel error from server side error="Unauthorized: Invalid tunnel secret"',
    ],
)
def test_permanent_failures_are_recognised(text: str) -> None:
    assert is_permanent_failure(text)
    assert not is_permanent_failure(REGISTERED)


def test_token_and_its_secret_are_removed() -> None:
    cleaner = OutputCleaner(TOKEN)
    for text in (f"token={TOKEN} x", f"secret {SECRET}!", f"TUNNEL_TOKEN:{TOKEN}{TOKEN}"):
        clean = cleaner.clean(text)
        assert TOKEN not in clean
        assert SECRET not in clean
        assert "[redacted]" in clean
    other = TOKEN.replace("a", "b")  # somebody else's, from a configuration of the machine
    assert other not in OutputCleaner().clean(f"--token {other}")


def test_escape_sequences_are_removed_and_lines_cut() -> None:
    assert OutputCleaner().clean("\x1b[31mred\x1b[0m\a \x9b1m") == "red 1m"
    assert len(OutputCleaner().clean("x" * 5000)) < 1100


@given(st.text(), st.text(alphabet="abcDEF0123+/=", min_size=8))
def test_any_token_is_removed_from_any_line(text: str, token: str) -> None:
    clean = OutputCleaner(token).clean(f"{text}{token}{text}")
    if token not in text and token not in "[redacted]":
        assert token not in clean.replace("[redacted]", "")


@given(st.text())
def test_any_line_is_parsed(text: str) -> None:
    said = parse_line(OutputCleaner(TOKEN).clean(text))
    for read in (
        find_quick_host_name,
        registered_connection,
        lost_connection,
        parse_origins,
        is_permanent_failure,
    ):
        read(said.text)
