"""A configuration replaces another one unless a setting that restricted access is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from antigravity.config.errors import ConfigurationError
from antigravity.config.last_run import LastRun, last_run_path, read_last_run, write_last_run
from antigravity.config.replacement_checks import check_replacement
from antigravity.config.snapshot import Configuration, load

STRICT = '[proxy]\nauth_mode = "strict"\napi_key = "sk-1"\n'
LAN = '[proxy]\nallow_lan_access = true\napi_key = "sk-1"\n'
LISTEN = '[proxy]\nlisten = ["tcp:8045"]\napi_key = "sk-1"\n'
LOOPBACK = '[proxy]\nallow_lan_access = true\nlisten = ["tcp:8045:interface=127.0.0.1"]\n'
PROXIED = '[proxy]\ntrusted_proxies = ["127.0.0.1"]\napi_key = "sk-1"\n'
OTHER = "[log]\naccess = false\n"


def read(home: Path, text: str, **environ: str) -> Configuration:
    (home / "antigravity.toml").write_text(text)
    return load(home, environ=environ)


@pytest.mark.parametrize(
    ("before", "after", "key"),
    [
        (STRICT, OTHER, "proxy.auth_mode"),
        (STRICT, LAN, "proxy.auth_mode"),
        (STRICT, "[proxy]\nallow_lan_access = false\n", "proxy.auth_mode"),
        (STRICT.replace("strict", "all_except_health"), OTHER, "proxy.auth_mode"),
        (LAN, OTHER, "proxy.allow_lan_access"),
        (LISTEN, OTHER, "proxy.listen"),
        (LOOPBACK, LAN, "proxy.listen"),
        (PROXIED, OTHER, "proxy.trusted_proxies"),
        (PROXIED + "allow_lan_access = true\n", LAN, "proxy.trusted_proxies"),
        (STRICT, "", ""),
        (OTHER, "# nothing\n", ""),
        (OTHER, "[proxy]\n", ""),
        (OTHER, "[proxy]\n[log]\n[upstreams]\n", ""),
    ],
)
def test_missing_setting_never_widens_access(
    tmp_path: Path, before: str, after: str, key: str
) -> None:
    old = read(tmp_path, before)
    new = read(tmp_path, after)
    with pytest.raises(ConfigurationError) as caught:
        check_replacement(old, new)
    (problem,) = caught.value.problems
    assert problem.key == key
    assert problem.place == str(tmp_path / "antigravity.toml")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (STRICT, STRICT.replace("strict", "off")),
        (STRICT, STRICT.replace("strict", "auto")),
        (STRICT, STRICT + OTHER),
        (PROXIED, "[proxy]\ntrusted_proxies = []\n"),
        (PROXIED, PROXIED.replace("127.0.0.1", "unix")),
        (STRICT, '[proxy]\nauth_mode = "strict"\n'),
        (LAN, LAN.replace("true", "false")),
        (LISTEN, LISTEN.replace("8045", "8045:interface=127.0.0.1")),
        (LOOPBACK, LOOPBACK.replace(":interface=127.0.0.1", "")),
        (OTHER, STRICT),
        (OTHER, LAN),
        ("", OTHER),
        ("", ""),
        (OTHER, "[proxy]\nport = 1\n"),
    ],
)
def test_explicit_setting_takes_effect(tmp_path: Path, before: str, after: str) -> None:
    old = read(tmp_path, before)
    check_replacement(old, read(tmp_path, after))


def test_setting_of_environment_permits_its_absence_in_the_file(tmp_path: Path) -> None:
    environ = {"ANTIGRAVITY_PROXY__AUTH_MODE": "strict", "ANTIGRAVITY_PROXY__API_KEY": "sk-1"}
    old = read(tmp_path, OTHER, **environ)
    check_replacement(old, read(tmp_path, "[proxy]\nport = 1\n", **environ))


def test_last_run_is_read_back_and_malformed_record_is_ignored(tmp_path: Path) -> None:
    assert read_last_run(tmp_path) is None
    note = LastRun("/a.toml", "strict", "it is gone")
    write_last_run(tmp_path, note)
    written = last_run_path(tmp_path).stat().st_mtime_ns
    write_last_run(tmp_path, note)
    assert last_run_path(tmp_path).stat().st_mtime_ns == written
    assert read_last_run(tmp_path) == note
    for data in (b"", b"[]", b"\xff", b"[" * 100_000, b'{"file":1}'):
        last_run_path(tmp_path).write_bytes(data)
        assert read_last_run(tmp_path) is None
    write_last_run(tmp_path / "gone", note)
    assert not (tmp_path / "gone").exists()
