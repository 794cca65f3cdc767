"""``antigravity accounts refresh``: whether accounts work, and their quotas."""

from __future__ import annotations

from pathlib import Path

import pytest

from antigravity.accounts.files import AccountFiles
from antigravity.accounts.quota_files import QuotaFiles
from antigravity.upstreams.codeassist import discovery
from tests.cli.builders import Run, Simulated, configure


def add(run: Run, kind: str, secret: str, label: str) -> None:
    assert run("accounts", "add", kind, secret, "--label", label).code == 0


def test_tier_and_quota_are_shown_and_stored(
    run: Run, tmp_path: Path, simulated: Simulated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discovery, "POLL_INTERVAL", 0.01)
    configure(tmp_path, simulated.table())
    add(run, "codeassist", "ultra-Veiled", "u@x")
    add(run, "codeassist", "exhausted-Veiled", "e@x")
    add(run, "codeassist", "new-Veiled", "n@x")
    result = run("accounts", "refresh")
    assert result.code == 0
    rows = {line.split()[1]: line.split()[2:] for line in result.out.splitlines()[1:]}
    assert rows["u@x"][:3] == ["works", "ULTRA", "75%"]
    assert rows["e@x"][:3] == ["works", "FREE", "0%"]
    assert rows["n@x"][:3] == ["works", "FREE", "75%"]
    one = run("accounts", "refresh", "e@x")
    model = [line for line in one.out.splitlines() if line.startswith("gemini-2.5-flash ")]
    assert model[0].split()[1] == "0%"
    assert model[0].split()[2].endswith("+00:00")
    (data,) = run("accounts", "refresh", "u@x", "--json").json["accounts"]
    assert (data["tier"], data["plan"], data["works"]) == ("ULTRA", "Ultra", True)
    assert data["models"]["gemini-2.5-flash"]["remaining"] == 0.75
    assert len(QuotaFiles(tmp_path / "home").load()) == 3


def test_account_with_revoked_token_is_disabled(
    run: Run, tmp_path: Path, simulated: Simulated
) -> None:
    configure(tmp_path, simulated.table())
    add(run, "codeassist", "revoked-Veiled", "r@x")
    add(run, "codeassist", "good-Veiled", "g@x")
    result = run("accounts", "refresh")
    assert result.code == 1
    assert "has been revoked or has expired" in result.out
    record = AccountFiles(tmp_path / "home").find("r@x")
    assert not record.enabled
    assert record.disabled_at > 0
    again = run("accounts", "refresh")
    assert (again.code, "r@x" in again.out) == (0, False)
    assert run("accounts", "refresh", "r@x").code == 1, "it can be asked about all the same"


def test_keys_are_checked_with_a_request(run: Run, tmp_path: Path, simulated: Simulated) -> None:
    address = simulated.address
    configure(tmp_path, f'[upstreams.g]\nkind = "gemini_api"\nbase_url = "{address}"\n')
    add(run, "gemini_api", "good-Veiled", "good")
    add(run, "gemini_api", "bad-Veiled", "bad")
    result = run("accounts", "refresh", "--json")
    assert result.code == 1
    works = {each["label"]: each["works"] for each in result.json["accounts"]}
    assert works == {"good": True, "bad": False}
    assert AccountFiles(tmp_path / "home").find("bad").enabled, "a refusal is not for good"


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_refresh_without_accounts_sends_nothing(run: Run, arguments: list[str]) -> None:
    assert run("accounts", "refresh", *arguments).code == 0


def test_missing_oauth_client_is_reported(run: Run, tmp_path: Path, simulated: Simulated) -> None:
    configure(tmp_path, simulated.table(client_id="", client_secret=""))
    add(run, "codeassist", "good-Veiled", "g@x")
    result = run("accounts", "refresh")
    assert result.code == 1
    assert "set upstreams.codeassist.oauth.client_id and" in result.out
