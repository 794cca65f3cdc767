"""Checks of the MCP servers in the configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from antigravity.config.display import masked
from antigravity.config.errors import ConfigurationError
from antigravity.config.mcp_settings import McpSettings
from antigravity.config.snapshot import Configuration, load


def read(home: Path, text: str) -> Configuration:
    (home / "antigravity.toml").write_text(text, encoding="utf-8")
    return load(home, environ={})


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[mcp.servers.a]\nurl = "ftp://x"', "mcp.servers.a.url"),
        ('[mcp.servers.a]\nurl = "https://u:p@x/mcp"', "mcp.servers.a.url"),
        ('[mcp.servers.a]\nurl = "http://x"\ncommand = "y"', "mcp.servers.a.command"),
        ('[mcp.servers.a__b]\ncommand = "y"', "mcp.servers.a__b"),
        ('[mcp.servers._a]\ncommand = "y"', "mcp.servers._a"),
        ('[mcp.servers.a]\ncommand = "y"\nenv = { "A=B" = "c" }', 'mcp.servers.a.env."A=B"'),
        ('[mcp.servers.a]\ncommand = "y"\nargs = ["x\\u0000"]', "mcp.servers.a.args[0]"),
        (
            '[mcp.servers.a]\nurl = "http://x"\nheaders = { "X-A" = "a\\nb" }',
            "mcp.servers.a.headers.X-A",
        ),
        ('[mcp.vision]\nroots = ["pictures"]', "mcp.vision.roots[0]"),
        ('[mcp.vision]\nroots = ["/srv/../etc"]', "mcp.vision.roots[0]"),
        ('[mcp.vision]\nzai_url = "x"', "mcp.vision.zai_url"),
        ('[proxy.zai.mcp]\nweb_reader_url = ""', "proxy.zai.mcp.web_reader_url"),
    ],
)
def test_invalid_mcp_settings_are_reported(tmp_path: Path, text: str, key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path, text)
    assert [problem.key for problem in caught.value.problems] == [key]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[mcp.servers.a]\nenabled = true", "mcp.servers.a"),
        ('[mcp.servers.a]\ncommand = "x"\napi_key = "k"', "mcp.servers.a.api_key"),
        ('[mcp.servers.a]\nurl = "http://x"\nargs = ["k"]', "mcp.servers.a.args"),
        (
            "[proxy.zai.mcp]\nenabled = true\nweb_search_enabled = true",
            "proxy.zai.mcp.api_key",
        ),
    ],
)
def test_setting_without_effect_is_a_warning(tmp_path: Path, text: str, key: str) -> None:
    assert [problem.key for problem in read(tmp_path, text).warnings] == [key]


def test_either_zai_key_is_sufficient(tmp_path: Path) -> None:
    on = "enabled = true\nweb_search_enabled = true"
    text = f'[proxy.zai]\napi_key = "k"\n[proxy.zai.mcp]\n{on}'
    assert read(tmp_path, text).warnings == ()
    assert read(tmp_path, f'[proxy.zai.mcp]\napi_key = "k"\n{on}').warnings == ()


def test_secrets_of_servers_are_masked(tmp_path: Path) -> None:
    text = (
        '[mcp.servers.a]\nurl = "http://x"\napi_key = "KEY-ONE"\nheaders = { "X-T" = "KEY-TWO" }\n'
        '[mcp.servers.b]\ncommand = "b"\nenv = { TOKEN = "KEY-THREE" }\n'
    )
    mcp: McpSettings = read(tmp_path, text).settings.mcp
    assert mcp.servers["b"].env["TOKEN"].reveal() == "KEY-THREE"
    assert "KEY-" not in repr(mcp)
    assert "KEY-" not in str(masked(mcp))


SERVER = '[mcp.servers.a]\nurl = "https://a.example/mcp"\n[mcp.servers.a.oauth]\n'


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[mcp]\nclient_metadata_url = "http://a.example/c.json"', "mcp.client_metadata_url"),
        ('[mcp]\nclient_metadata_url = "https://a.example/"', "mcp.client_metadata_url"),
        ('[mcp]\nclient_metadata_url = "https://a.example/x/../c"', "mcp.client_metadata_url"),
        ('[mcp]\nclient_metadata_url = "https://a.example/c#x"', "mcp.client_metadata_url"),
        (f'{SERVER}issuer = "auth.example"', "mcp.servers.a.oauth.issuer"),
        (f'{SERVER}issuer = "https://auth.example?x"', "mcp.servers.a.oauth.issuer"),
        (f'{SERVER}client_secret = "s-123456"', "mcp.servers.a.oauth.client_secret"),
        (
            f'{SERVER}client_id = "c"\nclient_secret = "s-123456"',
            "mcp.servers.a.oauth.issuer",
        ),
        (f'{SERVER}scopes = ["a b"]', "mcp.servers.a.oauth.scopes[0]"),
        (f'{SERVER}redirect_uri = "https://127.0.0.1/x"', "mcp.servers.a.oauth.redirect_uri"),
        (f'{SERVER}redirect_uri = "http://me.example/x"', "mcp.servers.a.oauth.redirect_uri"),
        (f'{SERVER}redirect_uri = "http://127.0.0.1"', "mcp.servers.a.oauth.redirect_uri"),
    ],
)
def test_invalid_login_settings_are_reported(tmp_path: Path, text: str, key: str) -> None:
    (tmp_path / "antigravity.toml").write_text(text)
    with pytest.raises(ConfigurationError) as failed:
        load(tmp_path, environ={})
    assert [problem.key for problem in failed.value.problems] == [key]


def test_login_settings_without_effect_are_reported(tmp_path: Path) -> None:
    keyed = SERVER.replace('/mcp"\n', '/mcp"\napi_key = "k-123456"\n')
    program = '[mcp.servers.b]\ncommand = "b"\n[mcp.servers.b.oauth]\nclient_id = "c"\n'
    (tmp_path / "antigravity.toml").write_text(f'{keyed}client_id = "c"\n{program}')
    warnings = load(tmp_path, environ={}).warnings
    assert [problem.key for problem in warnings] == [
        "mcp.servers.a.oauth",
        "mcp.servers.b.oauth",
    ]
