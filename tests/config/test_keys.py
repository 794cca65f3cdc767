"""Cleaning of pasted keys and headers, and refusal of invalid ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.config.errors import ConfigurationError
from antigravity.config.keys import KeyFormatError, clean_header, clean_key, trim_key
from antigravity.config.snapshot import load

KEY = "sk-0123456789_abc-DEF"
AROUND = (
    "{}\n",
    "{}\r\n",
    " {}",
    "\t{} ",
    "\ufeff{}",
    "{}\u200b",
    "\u2060{}\u00a0",
    "Bearer {}",
    "bearer\t {}",
    "BEARER {}",
    "Bearer Bearer {}",
    "Authorization: Bearer {}",
    '"{}"',
    "'{}'",
    "`{}`",
    "\u201c{}\u201d",
    "\u2018{}\u2019",
    "\"Bearer '{}'\"\n",
    'Bearer "{}"',
    '\ufeff "Bearer {}" ',
    '"{}',
    "{}'",
    "\u00ab{}\u00bb",
    "\u201e{}\u201c",
    "<{}>",
    '"{}",',
    "'{}';",
    "{}\\n",
    '"{}\\r\\n"',
    "Bearer: {}",
    "x-api-key: {}",
    "api-key:{}",
    "OPENAI_API_KEY={}",
    'export ANTHROPIC_AUTH_TOKEN="{}"',
    "$env:GEMINI_API_KEY = '{}'",
)
INSIDE = (
    ("sk 1", "spaces"),
    ("sk\t1", "spaces"),
    ("sk\n1", "spaces"),
    ("sk\u00a01", "spaces"),
    ("sk\u200b1", "invisible"),
    ("sk\ufeff1", "invisible"),
    ("sk\u00ad1", "invisible"),
    ("sk\x001", "control"),
    ("sk\x7f1", "control"),
    ("sk-\u20261", "not ASCII"),
    ("schl\u00fcssel", "not ASCII"),
)


@pytest.mark.parametrize("form", AROUND)
def test_key_is_cleaned_of_quotes_names_and_spaces(form: str) -> None:
    assert clean_key(form.format(KEY)) == KEY
    assert clean_header("X-Api-Key", form.format(KEY)) == KEY


@pytest.mark.parametrize("text", ["Bearer", "Bearer ", "bearer:", '""', "OPENAI_API_KEY="])
def test_text_without_key_is_empty(text: str) -> None:
    assert clean_key(text) == ""


@pytest.mark.parametrize("text", ["a,b;", "it's-me", "user:pass", "key=value", "abc==", "1//0g-x"])
def test_key_keeps_its_punctuation(text: str) -> None:
    assert clean_key(text) == text


@pytest.mark.parametrize(("text", "why"), INSIDE)
def test_invalid_key_is_refused_without_quoting_it(text: str, why: str) -> None:
    with pytest.raises(KeyFormatError, match=why) as caught:
        clean_key(text)
    assert text not in str(caught.value)
    assert "character" in str(caught.value)


@given(st.text(max_size=40))
def test_cleaning_is_idempotent_and_gives_a_valid_header(text: str) -> None:
    try:
        key = clean_key(text)
    except KeyFormatError:
        return
    assert clean_key(trim_key(key)) == trim_key(key)
    assert all("!" <= letter <= "~" for letter in key)


@pytest.mark.parametrize(
    ("name", "value", "clean"),
    [
        ("Authorization", "Bearer  sk-1 ", "Bearer sk-1"),
        ("authorization", "Bearer Bearer sk-1", "Bearer sk-1"),
        ("Authorization", '"Bearer sk-1"\n', "Bearer sk-1"),
        ("Authorization", " Basic dXNlcjpwdw== ", "Basic dXNlcjpwdw=="),
        ("api-key", "'sk-1'", "sk-1"),
        ("X-Title", " My  gateway\n", "My  gateway"),
        ("X-Quoted", '"kept"', '"kept"'),
    ],
)
def test_header_keeps_inner_spaces_and_is_trimmed(name: str, value: str, clean: str) -> None:
    assert clean_header(name, value) == clean


@pytest.mark.parametrize("value", ["a\nb", "a\r\nX-Other: b", "a\0b", "a\u200bb"])
def test_header_that_cannot_be_sent_is_refused(value: str) -> None:
    for name in ("X-Title", "Authorization"):
        with pytest.raises(KeyFormatError):
            clean_header(name, value)


def test_only_headers_without_keys_may_have_other_than_ascii() -> None:
    assert clean_header("X-Title", "Caf\u00e9 \u2603") == "Caf\u00e9 \u2603"
    for name, value in (("Authorization", "Basic \u00fc"), ("X-Api-Key", "sk-\u00fc")):
        with pytest.raises(KeyFormatError):
            clean_header(name, value)


PLACES = (
    ("proxy", "api_key"),
    ("proxy", "admin_key"),
    ("proxy.zai", "api_key"),
    ("proxy.zai.mcp", "api_key"),
    ("tunnel", "token"),
    ("upstreams.a", "api_key"),
    ("upstreams.a", "refresh_token"),
    ("upstreams.a.oauth", "client_secret"),
    ("upstreams.a.oauth", "client_id"),
    ("upstreams.a.headers", "x-api-key"),
    ("mcp.servers.b", "api_key"),
    ("mcp.servers.b.headers", "x-api-key"),
)
BASE = '[upstreams.a]\nkind = "openai"\n[mcp.servers.b]\nurl = "https://b.example/mcp"\n'


def written(table: str, key: str, value: str) -> str:
    """Return a configuration with one key, and the line that it is on."""
    escaped = "".join(f"\\u{ord(c):04x}" if not "0" <= c <= "z" else c for c in value)
    base = "" if table.split(".")[-1] in ("a", "b") else BASE
    head = {"upstreams.a": BASE.splitlines()[:2], "mcp.servers.b": BASE.splitlines()[2:]}
    lines = head.get(table, [*base.splitlines(), f"[{table}]"])
    return "\n".join([*lines, f'{key} = "{escaped}"', ""])


@pytest.mark.parametrize(("table", "key"), PLACES)
def test_every_secret_of_the_configuration_is_cleaned_or_refused(
    tmp_path: Path, table: str, key: str
) -> None:
    file = tmp_path / "antigravity.toml"
    file.write_text(written(table, key, f' "Bearer {KEY.replace("_", "x")}\u200b" \n'))
    configuration = load(tmp_path, environ={})
    value = configuration.settings
    for part in (*table.split("."), key):
        value = value[part] if isinstance(value, dict) else getattr(value, part)
    assert getattr(value, "reveal", lambda: value)() == KEY.replace("_", "x")
    warned = [each for each in configuration.warnings if "ignored" in each.message]
    assert [(each.place, each.line) for each in warned] == [
        (str(file), len(file.read_text().splitlines()))
    ]
    file.write_text(written(table, key, "sk-0123456789 0123456789"))
    if key == "x-api-key":
        file.write_text(written(table, key, "sk-0123456789\u200b0123456789"))
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, environ={})
    (problem,) = caught.value.problems
    assert "must not contain" in problem.message
    assert (problem.place, problem.line) == (str(file), len(file.read_text().splitlines()))
    assert "0123456789" not in str(problem)


def test_key_in_the_environment_is_cleaned_or_refused(tmp_path: Path) -> None:
    name = "ANTIGRAVITY_PROXY__API_KEY"
    assert load(tmp_path, environ={name: f"{KEY}\n"}).settings.proxy.api_key.reveal() == KEY
    with pytest.raises(ConfigurationError, match=name):
        load(tmp_path, environ={name: "sk 1"})


def test_values_of_programs_environments_stay_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "antigravity.toml").write_text(
        '[mcp.servers.b]\ncommand = "b"\nenv = { A = " two words " }\n'
    )
    server = load(tmp_path, environ={}).settings.mcp.servers["b"]
    assert server.env["A"].reveal() == " two words "
