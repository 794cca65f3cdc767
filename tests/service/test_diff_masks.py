"""Secrets in diffs of configuration files, whoever's they are and however they are written."""

from __future__ import annotations

import difflib
import tomllib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.app.diff_masks import OWN_KEY, mask_diff, mask_text, secret_values

KEY = 'sk-own"key\\of-the-gateway'
SECRET = "hunter2-is-no-good-password"


@pytest.mark.parametrize(
    "line",
    [
        '  "apiKey": "{}",',
        "  'api_key': '{}'",
        "ANTHROPIC_AUTH_TOKEN={}",
        "export OPENAI_API_KEY='{}'",
        'api_key = "{}"  # mine',
        "password: {}",
        "  token: '{}'",
        'args = ["--api-key", "{}"]',
        '"headers": {{"Authorization": "Bearer {}"}}',
        "url = https://me:{}@example.test/v1",
        "url = https://example.test/v1?key={}&x=1",
        '{{"a": 1, "refresh_token": "{}", "b": 2}}',
    ],
)
def test_named_secrets_are_masked_in_every_language(line: str) -> None:
    for sign in " +-":
        shown = mask_diff(f"{sign}{line.format(SECRET)}\n", KEY, (), ())
        assert SECRET not in shown
        assert shown.startswith(sign)
        assert shown.endswith("\n")


@pytest.mark.parametrize(
    "secret",
    [
        "sk-ant-api03-abcdefghijklmnopqrstuvwxyz",
        "ghp_0123456789abcdefghijklmnopqrstuvwxyz",
        "a8f5f167f44f4964e6c998dee827110c",
    ],
)
def test_secrets_without_a_name_are_masked_by_their_form(secret: str) -> None:
    assert secret not in mask_diff(f'+  - "{secret}"\n', KEY, (), ())
    assert secret not in mask_text(f"line 3 is wrong: {secret}")


def test_secrets_are_found_by_the_names_on_the_way_to_them() -> None:
    document = {
        "tokens": [SECRET, {"value": "second-secret"}],
        "auth": {"user": "somebody"},
        "args": ["run", "--token", "third-secret", "--verbose"],
        "model": "opus",
        "limit_tokens": 5,
    }
    assert set(secret_values(document)) == {
        *(SECRET, "second-secret", "somebody", "third-secret"),
    }
    diff = f'+    "{SECRET}",\n     - third-secret\n'
    assert mask_diff(diff, KEY, (), [document]) == '+    "[redacted]",\n     - [redacted]\n'


def test_lines_of_a_long_secret_are_masked() -> None:
    pem = "-----BEGIN PRIVATE KEY-----\nMIIEvQ+first/line\nAbCdEf+second/line\n"
    shown = mask_diff("   MIIEvQ+first/line\n+  AbCdEf+second/line\n", KEY, (), [{"key": pem}])
    assert "line" not in shown


def test_own_settings_are_shown() -> None:
    ours = ("http://127.0.0.1:8045", "claude-sonnet-4a5b6c7d8e9f0a1b2", "gemini-api-key")
    diff = (
        "--- /home/me/.cache/a8f5f167f44f4964e6c998dee827110c\n"
        '+  "baseURL": "http://127.0.0.1:8045",\n'
        '+  "selected_auth": "gemini-api-key",\n'
        '+  "model": "claude-sonnet-4a5b6c7d8e9f0a1b2",\n'
        '   "max_tokens": 64000, "use_key": true\n'
    )
    assert mask_diff(diff, KEY, ours, ()) == diff
    open_diff = '+  "apiKey": "sk-local"\n'
    assert mask_diff(open_diff, "sk-local", (), (), "sk-local") == open_diff


def test_own_key_is_masked_as_files_write_it() -> None:
    written = msgspec.json.encode({"apiKey": KEY}).decode()
    for text in (written, f"API_KEY={KEY}", f"# {KEY}"):
        shown = mask_diff(f"+{text}\n", KEY, (), ())
        assert OWN_KEY in shown
        assert "own" not in shown.replace(OWN_KEY, "")


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=40))
def test_no_value_under_a_secret_name_is_shown(secret: str) -> None:
    before = msgspec.json.format(msgspec.json.encode({"env": {"MY_API_KEY": secret}}), indent=2)
    after = msgspec.json.format(msgspec.json.encode({"env": {"MY_API_KEY": "ours"}}), indent=2)
    lines = [each.decode().splitlines(keepends=True) for each in (before, after)]
    diff = "".join(difflib.unified_diff(*lines))
    documents = [msgspec.json.decode(before), tomllib.loads("a = 1")]
    line = next(each for each in diff.splitlines() if each.startswith("-  "))
    shown = mask_diff(f"{line}\n", KEY, (), documents)
    assert secret not in shown.partition("MY_API_KEY")[2]
