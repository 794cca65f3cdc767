"""Import from the directory of another program: accounts, settings and skipped items."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antigravity.accounts.files import AccountError
from antigravity.accounts.tools_home import read_tools_home
from antigravity.config.secret import Secret
from antigravity.config.toml_text import toml_text


def account(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "id": f"uuid-{number}",
        "email": f"user{number}@example.org",
        "name": None,
        "token": {
            "access_token": "ya29.veiled",
            "refresh_token": f"1//veiled-{number}",
            "expires_in": 3599,
            "expiry_timestamp": 1_760_000_000,
            "token_type": "Bearer",
            "email": f"user{number}@example.org",
            "project_id": "some-project",
        },
        "quota": {"models": [], "last_updated": 1},
        "disabled": False,
        "created_at": 1_750_000_000 + number,
        "last_used": 1_750_000_100,
        **fields,
    }


def write(home: Path, *accounts: dict[str, Any], listed: Any = None, gui: Any = None) -> Path:
    (home / "accounts").mkdir(parents=True)
    for each in accounts:
        (home / "accounts" / f"{each['id']}.json").write_text(json.dumps(each))
    if listed is None:
        listed = {
            "version": "2.0",
            "accounts": [{"id": each["id"], "email": each["email"]} for each in accounts],
            "current_account_id": None,
        }
    (home / "accounts.json").write_text(listed if isinstance(listed, str) else json.dumps(listed))
    if gui is not None:
        (home / "gui_config.json").write_text(gui if isinstance(gui, str) else json.dumps(gui))
    return home


def test_imported_accounts_keep_label_time_and_state(tmp_path: Path) -> None:
    found = read_tools_home(
        write(
            tmp_path / "t",
            account(2),
            account(1, disabled=True, disabled_reason="invalid_grant: gone", disabled_at=9),
            account(3, proxy_disabled=True),
        )
    )
    assert found.skipped == ()
    two, one, three = found.accounts
    assert (two.kind, two.label, two.secret) == (
        "codeassist",
        "user2@example.org",
        Secret("1//veiled-2"),
    )
    assert (two.enabled, two.created, two.extra) == (True, 1_750_000_002, {})
    assert (one.enabled, one.disabled_reason, one.disabled_at) == (False, "invalid_grant: gone", 9)
    assert not three.enabled
    assert "proxy" in three.disabled_reason


def test_invalid_files_are_skipped_with_reason(tmp_path: Path) -> None:
    home = write(
        tmp_path / "t",
        account(1),
        account(2, token={"refresh_token": ""}),
        listed={"accounts": [{"id": "uuid-1"}, {"id": "uuid-2"}, {"id": "x", "email": "x@y"}]},
    )
    (home / "accounts" / "uuid-4.json").write_text("{")
    found = read_tools_home(home)
    assert [each.label for each in found.accounts] == ["user1@example.org"]
    assert {skipped.item: skipped.reason for skipped in found.skipped} == {
        "accounts/uuid-2.json": "it has no refresh token",
        "account x@y": "it has no file in accounts/",
        "accounts/uuid-4.json": "accounts.json does not list it",
    }


def test_all_files_are_read_without_an_index(tmp_path: Path) -> None:
    home = write(tmp_path / "t", account(1), account(2), listed="{broken")
    (home / "accounts" / "uuid-3.json").write_text("[]")
    found = read_tools_home(home)
    assert len(found.accounts) == 2
    assert [skipped.item for skipped in found.skipped] == ["accounts/uuid-3.json"]


def test_other_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AccountError, match="give its path"):
        read_tools_home(tmp_path)


GUI = {
    "language": "en",
    "auto_refresh": True,
    "default_export_path": None,
    "proxy": {
        "enabled": True,
        "port": 8046,
        "allow_lan_access": False,
        "auth_mode": "strict",
        "api_key": "sk-veiled",
        "request_timeout": 120,
        "custom_mapping": {"gpt-4o": "gemini-2.5-flash", "claude-3.5-*": "gemini-2.5-pro"},
        "anthropic_mapping": {"claude-4.5-series": "x"},
        "upstream_proxy": {"enabled": True, "url": "http://me:veiled@proxy:3128"},
        "zai": {
            "enabled": True,
            "base_url": "https://api.z.ai/api/anthropic",
            "api_key": "veiled",
            "dispatch_mode": "fallback",
            "model_mapping": {"a": "glm-4.7"},
            "models": {"opus": "glm-4.7", "haiku": "glm-4.6"},
            "mcp": {"enabled": True},
            "fallback_to_mapping": True,
        },
    },
}


def test_known_settings_are_imported(tmp_path: Path) -> None:
    found = read_tools_home(write(tmp_path / "t", gui=GUI))
    assert found.settings == {
        ("upstreams", "codeassist", "http_proxy"): "http://me:veiled@proxy:3128",
        ("proxy", "port"): 8046,
        ("proxy", "auth_mode"): "strict",
        ("proxy", "api_key"): Secret("sk-veiled"),
        ("proxy", "request_timeout"): 120,
        ("proxy", "custom_mapping"): GUI["proxy"]["custom_mapping"],  # type: ignore[index]
        ("proxy", "zai", "enabled"): True,
        ("proxy", "zai", "api_key"): Secret("veiled"),
        ("proxy", "zai", "dispatch_mode"): "fallback",
        ("proxy", "zai", "model_mapping"): {"a": "glm-4.7"},
        ("proxy", "zai", "models", "haiku"): "glm-4.6",
        ("proxy", "zai", "mcp", "enabled"): True,
    }
    assert {skipped.item for skipped in found.skipped} == {
        "language",
        "auto_refresh",
        "proxy.enabled",
        "proxy.anthropic_mapping",
        "proxy.zai.fallback_to_mapping",
    }


@pytest.mark.parametrize(
    ("proxy", "what", "why"),
    [
        ({"port": "8046"}, "proxy.port", "expected a whole number"),
        ({"auth_mode": "Strickt"}, "proxy.auth_mode", "not allowed"),
        (
            {"upstream_proxy": {"enabled": True, "url": "socks5://h:1"}},
            "proxy.upstream_proxy",
            "only http",
        ),
        ({"custom_mapping": {"a": "*"}}, "proxy.custom_mapping", "one model"),
    ],
)
def test_invalid_values_are_skipped_with_reason(
    tmp_path: Path, proxy: Any, what: str, why: str
) -> None:
    found = read_tools_home(write(tmp_path / "t", gui={"proxy": proxy}))
    assert found.settings == {}
    (skipped,) = found.skipped
    assert skipped.item == what
    assert why in skipped.reason


def test_disabled_or_invalid_settings(tmp_path: Path) -> None:
    off = {"proxy": {"upstream_proxy": {"enabled": False, "url": "http://h:1"}}}
    found = read_tools_home(write(tmp_path / "a", gui=off))
    assert (found.settings, found.skipped) == ({}, ())
    (skipped,) = read_tools_home(write(tmp_path / "b", gui="[")).skipped
    assert skipped.item == "gui_config.json"


values = st.recursive(
    st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text(), values))
def test_written_toml_is_read_back(tables: dict[str, Any]) -> None:
    assert tomllib.loads(toml_text(tables)) == tables
    assert tomllib.loads(toml_text({"t": tables}, inline=frozenset({("t",)}))) == {"t": tables}
