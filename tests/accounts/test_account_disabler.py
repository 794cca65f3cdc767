"""Invalid credentials are removed from use, at once and after a restart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from twisted.internet.defer import Deferred, execute

from antigravity.accounts.account_disabler import AccountDisabler
from antigravity.accounts.credential_store import CredentialStore
from antigravity.accounts.files import AccountFiles
from antigravity.accounts.records import AccountRecord
from antigravity.config.home import prepare_home
from antigravity.config.secret import Secret
from antigravity.config.settings import Settings
from antigravity.interfaces.upstreams import Credential

REASON = "the refresh token has been revoked or has expired"


class Setting:
    """Two accounts, a store of their credentials, and a thread that runs when it is told to."""

    def __init__(self, home: Path) -> None:
        prepare_home(home)
        self.files = AccountFiles(home)
        for name in ("a", "b"):
            kind = "codeassist"
            self.files.save(AccountRecord(f"{kind}-{name}", kind, Secret(f"1//veiled-{name}")))
        self.credential_store = CredentialStore(Settings(), self.files.load()[0])
        self.queue: list[tuple[Deferred[None], Any]] = []
        self.disabler = AccountDisabler(
            self.files, self.credential_store.remove, lambda: 1234.5, self.in_thread
        )

    def in_thread(self, function: Any, *arguments: Any) -> Deferred[Any]:
        start: Deferred[Any] = Deferred()
        start.addCallback(lambda _: execute(function, *arguments))
        self.queue.append((start, function))
        return start

    def run(self) -> None:
        for start, _ in self.queue:
            start.callback(None)
        self.queue.clear()

    def ids(self) -> list[str]:
        return [each.id for each in self.credential_store.credentials("codeassist")]

    def credential(self, name: str) -> Credential:
        (found,) = [
            c for c in self.credential_store.credentials("codeassist") if c.id.endswith(name)
        ]
        return found


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    return Setting(tmp_path / "home")


def test_disable_removes_credential_then_writes_file(setting: Setting) -> None:
    setting.disabler.disable(setting.credential("a"), REASON)
    assert setting.ids() == ["codeassist-b"]
    assert all(record.enabled for record in setting.files.load()[0])
    closed = setting.disabler.close()
    assert not closed.called
    setting.run()
    assert closed.called
    first, second = setting.files.load()[0]
    assert (first.enabled, first.disabled_reason, first.disabled_at) == (False, REASON, 1234.5)
    assert second.enabled
    assert (
        CredentialStore(Settings(), [first, second]).next_credential("codeassist").id
        == "codeassist-b"
    )


def test_repeated_disable_writes_once(setting: Setting) -> None:
    credential = setting.credential("a")
    for _ in range(26):
        setting.disabler.disable(credential, REASON)
    assert len(setting.queue) == 1


def test_account_with_new_secret_stays_enabled(setting: Setting) -> None:
    old = setting.credential("a")
    record = structs.replace(setting.files.find("codeassist-a"), secret=Secret("1//fresh"))
    setting.files.save(record)
    setting.disabler.disable(old, REASON)
    setting.run()
    assert setting.files.find("codeassist-a").enabled
    credential_store = CredentialStore(Settings(), setting.files.load()[0])
    assert not credential_store.remove(old)
    assert len(credential_store.credentials("codeassist")) == 2


def test_missing_and_invalid_files_are_ignored(setting: Setting) -> None:
    setting.files.remove("codeassist-a")
    (setting.files.directory / "codeassist-b.json").write_text("{")
    for name in ("a", "b"):
        setting.disabler.disable(setting.credential(name), REASON)
    setting.run()
    assert setting.ids() == []
    assert not setting.files.has("codeassist-a")


def test_remaining_credentials_take_turns(setting: Setting) -> None:
    setting.credential_store.next_credential("codeassist")
    setting.disabler.disable(setting.credential("b"), REASON)
    assert [setting.credential_store.next_credential("codeassist").id for _ in range(2)] == [
        "codeassist-a"
    ] * 2
    setting.disabler.disable(setting.credential("a"), REASON)
    assert setting.credential_store.next_credential("codeassist") is None
