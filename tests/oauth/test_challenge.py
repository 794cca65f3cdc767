"""Challenges as servers write them."""

from __future__ import annotations

import re

import pytest

from antigravity.oauth import challenge
from antigravity.oauth.addresses import covers, resource_of
from antigravity.oauth.challenge import Challenge, find_challenge

META = "https://mcp.example/.well-known/oauth-protected-resource"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], None),
        (["Basic realm=x"], None),
        (["Bearer"], Challenge()),
        (["bearer"], Challenge()),
        ([f'Bearer resource_metadata="{META}"'], Challenge(META)),
        ([f'BEARER  resource_metadata = "{META}" ,scope="a b"'], Challenge(META, ("a", "b"))),
        (['Bearer scope=read, error="invalid_token"'], Challenge("", ("read",), "invalid_token")),
        (["Negotiate abc==, Bearer scope=read"], Challenge("", ("read",))),
        (['Basic realm="Bearer scope=x, y=z", Bearer scope=read'], Challenge("", ("read",))),
        (["Basic realm=x", "Bearer scope=read"], Challenge("", ("read",))),
        (['Bearer realm="say \\"hi\\", ok", scope="read"'], Challenge("", ("read",))),
        (["Bearer scope=read, DPoP scope=other"], Challenge("", ("read",))),
        (["Bearer scope=read, scope=write"], Challenge("", ("read",))),
        (['Bearer scope="read  read \u00e9 \\" a\tb"'], Challenge("", ("read",))),
        (['Bearer scope="never closed'], Challenge()),
        (["=, , ;; Bearer scope=read"], Challenge("", ("read",))),
    ],
)
def test_first_bearer_challenge_is_found(values: list[str], expected: Challenge | None) -> None:
    assert find_challenge(values) == expected


def test_huge_challenge_is_bounded() -> None:
    scopes = " ".join(f"s{n}" for n in range(100_000))
    found = find_challenge([f'Bearer scope="{scopes}'[: 16 * 1024 - 1] + '"' + "x" * 10**6])
    assert found is not None
    assert len(found.scopes) <= 100
    assert find_challenge(["Bearer " + 'a="' * 10**6]) == Challenge()


@pytest.mark.parametrize("text", ["a" * 99 + ";", "a=" + "b" * 99 + ";", 'a"' * 99 + ";"])
def test_parts_of_challenge_are_matched_once(text: str) -> None:
    matches = [match.group() for match in challenge._PART.finditer(text)]
    assert "".join(matches) == text
    names = [one for one in matches if one[0] in "ab"]
    assert len(names) == len(re.findall("[ab]+", text))  # no name in pieces


@pytest.mark.parametrize(
    ("resource", "url", "expected"),
    [
        ("https://a.example/mcp", "https://a.example/mcp", True),
        ("https://A.example:443/mcp", "https://a.example/mcp", True),
        ("https://a.example/mcp/", "https://a.example/mcp", True),
        ("https://a.example", "https://a.example/mcp", True),
        ("https://a.example/", "https://a.example/mcp", True),
        ("https://a.example/x", "https://a.example/x/mcp", True),
        ("https://a.example/x", "https://a.example/xy", False),
        ("https://a.example/mcp/x", "https://a.example/mcp", False),
        ("https://a.example:444/mcp", "https://a.example/mcp", False),
        ("https://b.example/mcp", "https://a.example/mcp", False),
        ("https://a.example/mcp?t=1", "https://a.example/mcp?t=1", True),
        ("https://a.example/mcp?t=1", "https://a.example/mcp?t=2", False),
        ("https://a.example/mcp", "https://a.example/mcp?t=2", True),
        ("https://a.example/mcp#x", "https://a.example/mcp", False),
        ("mcp", "https://a.example/mcp", False),
    ],
)
def test_resource_covers_paths_below_it(resource: str, url: str, expected: bool) -> None:
    assert covers(resource, url) is expected


def test_resource_is_written_canonically() -> None:
    assert resource_of("HTTPS://MCP.Example:443/") == "https://mcp.example"
    assert resource_of("https://mcp.example:8443/Server/Mcp?a=B") == (
        "https://mcp.example:8443/Server/Mcp?a=B"
    )
    assert resource_of("http://[::1]:80/mcp") == "http://[::1]/mcp"
