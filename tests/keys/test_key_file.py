"""Keys are stored without their secrets, and what is damaged is never valid."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import msgspec
import pytest

from antigravity.interfaces.key_store import KeyStoreError
from antigravity.interfaces.keys import KeyChange, NewKey
from antigravity.ir.errors import AuthenticationError, PermissionDeniedError
from antigravity.keys.records import view_of
from antigravity.keys.ring import KeyRing
from tests.keys.builders import FileEditor

NOW = 1_796_040_000.0  # Monday, 2026-11-30, 12:00 UTC


class Home:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.now = NOW
        self.editor = FileEditor(path, lambda: self.now)
        self.file = self.editor.file
        self.ring = KeyRing(lambda: self.now)

    def add(self, label: str = "laptop", **rules: object) -> str:
        key = self.editor.add(msgspec.convert({"label": label, **rules}, NewKey)).key
        self.load()
        return key

    def load(self) -> None:
        self.ring.use(self.editor.load())


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_file_has_digests_only_and_is_private(home: Home) -> None:
    key = home.add()
    text = home.file.path.read_text("utf-8")
    assert key not in text
    assert key[6:] not in text
    assert stat.S_IMODE(home.file.path.stat().st_mode) == 0o600
    assert home.ring.authenticate(key, "127.0.0.1") is not None
    stored = home.editor.load()
    shown = repr(stored) + repr(view_of(stored.records[0], NOW))
    assert key not in shown
    assert stored.records[0].digest not in shown


def test_unknown_secrets_are_none(home: Home) -> None:
    key = home.add()
    for other in ("", "sk-ag-", key[:-1], key + "x", key.upper(), "sk-ag-\udcff", "sk-other"):
        assert home.ring.authenticate(other, "127.0.0.1") is None


def test_same_label_is_refused(home: Home) -> None:
    home.add()
    with pytest.raises(ValueError, match="another label"):
        home.add()


def test_rotation_keeps_the_old_secret_for_its_grace(home: Home) -> None:
    old = home.add()
    new = home.editor.rotate("laptop", "1h").key
    home.load()
    assert home.ring.authenticate(old, "") == home.ring.authenticate(new, "") is not None
    home.now += 3600
    assert home.ring.authenticate(old, "") is None
    assert home.ring.authenticate(new, "") is not None
    home.editor.rotate("laptop", "0")
    home.load()
    assert home.ring.authenticate(new, "") is None


def test_key_is_refused_when_disabled_expired_or_removed(home: Home) -> None:
    key = home.add(expires="1h")
    home.editor.switch("laptop", False)
    home.load()
    with pytest.raises(AuthenticationError, match="disabled"):
        home.ring.authenticate(key, "")
    home.editor.switch("laptop", True)
    home.load()
    principal = home.ring.authenticate(key, "")
    assert principal is not None
    home.now += 3600
    with pytest.raises(AuthenticationError, match="expired"):
        home.ring.authenticate(key, "")
    home.editor.remove("laptop")
    home.load()
    assert home.ring.authenticate(key, "") is None
    with pytest.raises(AuthenticationError, match="removed"):
        home.ring.find(principal)


def test_addresses_and_times_are_checked(home: Home) -> None:
    key = home.add(addresses=["10.0.0.0/8"], times=["mon-fri 08:00-18:00"], time_zone="UTC")
    assert home.ring.authenticate(key, "10.0.0.1") is not None
    for address in ("192.168.0.1", "local", ""):
        with pytest.raises(PermissionDeniedError, match="address"):
            home.ring.authenticate(key, address)
    home.now += 6 * 3600
    with pytest.raises(PermissionDeniedError, match="only mon-fri"):
        home.ring.authenticate(key, "10.0.0.1")


def test_most_addresses_are_counted_within_a_day(home: Home) -> None:
    key = home.add(max_addresses=2)
    for address in ("10.0.0.1", "10.0.0.2", "10.0.0.1", "10.0.0.2"):
        assert home.ring.authenticate(key, address) is not None
    with pytest.raises(PermissionDeniedError, match="2 other addresses"):
        home.ring.authenticate(key, "10.0.0.3")
    home.now += 80_000
    home.load()  # a reload forgets nothing
    assert home.ring.authenticate(key, "10.0.0.2") is not None
    home.now += 10_000
    assert home.ring.authenticate(key, "10.0.0.3") is not None
    with pytest.raises(PermissionDeniedError):
        home.ring.authenticate(key, "10.0.0.1")


def test_change_keeps_other_rules(home: Home) -> None:
    key = home.add(models=["claude-*"], requests_per_minute=3)
    changed = home.editor.change("laptop", KeyChange(requests_per_minute=None, label="desk"))
    assert (changed.models, changed.requests_per_minute) == (["claude-*"], None)
    home.load()
    assert home.ring.authenticate(key, "") == changed.id
    with pytest.raises(LookupError):
        home.editor.change("laptop", KeyChange())


@pytest.mark.parametrize(
    "rules",
    [
        {"budgets": ["5/year"]},
        {"budgets": ["5/day", "6.00/day"]},
        {"addresses": ["10.0.0.0/99"]},
        {"times": ["always"]},
        {"time_zone": "Nowhere"},
        {"expires": "soon"},
        {"models": [" "]},
    ],
)
def test_wrong_rules_name_the_field(home: Home, rules: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"^{next(iter(rules))}: "):
        home.add(**rules)
    assert not home.file.path.exists()


@pytest.mark.parametrize(
    "text", [b"", b"{}", b"[]", b'{"version": 2, "salt": "00", "keys": []}', b"\xff" * 10]
)
def test_damaged_file_refuses_all_keys_and_is_not_changed(home: Home, text: bytes) -> None:
    key = home.add()
    home.file.path.write_bytes(text)
    home.load()
    with pytest.raises(AuthenticationError, match="cannot read"):
        home.ring.authenticate(key, "")
    with pytest.raises(KeyStoreError, match="Repair"):
        home.editor.remove("laptop")
    assert home.file.path.read_bytes() == text


@pytest.mark.parametrize(
    "damage",
    [
        {"unknown_rule": 1},
        {"digest": "00"},
        {"digest": "zz"},
        {"requests_per_minute": "many"},
        {"requests_per_minute": 0},
        {"budgets": ["5"]},
        {"expires": "30d"},
        {"id": ""},
        {"enabled": "no"},
    ],
)
def test_damaged_key_is_refused_and_others_stay_valid(
    home: Home, damage: dict[str, object]
) -> None:
    good, bad = home.add("good"), home.add("bad")
    content = json.loads(home.file.path.read_text("utf-8"))
    content["keys"][1].update(damage)
    home.file.path.write_text(json.dumps(content), "utf-8")
    home.load()
    assert home.ring.authenticate(good, "") is not None
    with pytest.raises(AuthenticationError, match="cannot read"):
        home.ring.authenticate(bad, "")


def test_missing_file_has_no_keys(home: Home) -> None:
    key = home.add()
    home.file.path.unlink()
    home.load()
    assert not home.ring.is_used
    assert home.ring.authenticate(key, "") is None
