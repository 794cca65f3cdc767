"""Accounts are found in whatever people paste, and nothing else is taken for one."""

from __future__ import annotations

import json

import pytest

from antigravity.accounts.account_parser import SkippedItem, parse_accounts
from antigravity.config.secret import Secret

REFRESH = "1//0eVeiled-refresh_token"
ANTHROPIC = "sk-ant-api03-veiled-veiled"
OPENAI = "sk-proj-veiled-veiled"
GEMINI = "AIza" + "veiled0-" * 4 + "end"


def kinds(text: str, kind: str = "") -> list[tuple[str, str]]:
    found = parse_accounts(text, kind)
    return [(each.kind, each.secret.reveal()) for each in found.accounts]


def test_tokens_are_found_in_text() -> None:
    text = f"""my accounts:
    me@x: {REFRESH}, old;{ANTHROPIC}
    "{OPENAI}" ({GEMINI}) and again {REFRESH}."""
    assert kinds(text) == [
        ("codeassist", REFRESH),
        ("anthropic", ANTHROPIC),
        ("openai", OPENAI),
        ("gemini_api", GEMINI),
    ]
    assert kinds(text, "zai")[0] == ("zai", REFRESH)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nothing at all",
        "https://x.example/1//page-with-a-long-name",
        "risk-assessment-of-everything",
        "1//short sk-short AIzaShort",
        "[1, 2",
        "null",
    ],
)
def test_other_text_is_ignored(text: str) -> None:
    assert parse_accounts(text).accounts == ()


def test_accounts_are_read_from_objects() -> None:
    entries = [
        {"email": "a@x", "refresh_token": "any-form"},
        {"kind": "openai", "secret": "k", "upstream": "deep", "label": "l", "enabled": False,
         "disabled_reason": "why", "base_url": "https://d", "extra": {"a": 1}, "created": 5},
        {"token": {"refresh_token": REFRESH, "email": "b@x"}},
        {"token": OPENAI},
        GEMINI,
    ]  # fmt: skip
    found = parse_accounts("\ufeff" + json.dumps(entries))
    assert found.skipped == ()
    one, two, three, four, five = found.accounts
    assert (one.kind, one.label, one.secret) == ("codeassist", "a@x", Secret("any-form"))
    assert (two.upstream, two.label, two.enabled, two.extra) == ("deep", "l", False, {"a": 1})
    assert (two.disabled_reason, two.base_url, two.created) == ("why", "https://d", 5)
    assert (three.kind, three.label) == ("codeassist", "b@x")
    assert (four.kind, five.kind) == ("openai", "gemini_api")
    wrapped = parse_accounts(json.dumps({"version": 3, "accounts": entries}))
    assert wrapped == found
    assert parse_accounts(json.dumps(entries[0])).accounts == (one,)


def test_skipped_items_reveal_no_secret() -> None:
    entries = [7, {"label": "x"}, {"secret": "vei…led"}, {"secret": "vei led"}, "veiled"]
    found = parse_accounts(json.dumps(entries))
    assert found.accounts == ()
    assert [skipped.item for skipped in found.skipped] == [f"entry {n}" for n in range(1, 6)]
    assert found.skipped[1] == SkippedItem("entry 2", "it has no secret")
    assert "--secrets" in found.skipped[2].reason
    assert "give it as KIND" in found.skipped[4].reason
    assert "veiled" not in repr(found)
    assert kinds('["veiled"]', "gemini_api") == [("gemini_api", "veiled")]


def test_any_text_is_parsed_without_error() -> None:
    assert parse_accounts("[" * 100_000).accounts == ()
