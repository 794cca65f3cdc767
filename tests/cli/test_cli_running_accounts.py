"""Commands change the accounts of a running gateway at once."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from tests.cli.builders import Run, Simulated, configure, wait_for_record
from tests.support.gateway_process import running

KEY = "sk-admin-of-the-tests"


def test_running_gateway_changes_account_at_once(
    run: Run, simulated: Simulated, tmp_path: Path
) -> None:
    configure(tmp_path, f'[proxy]\nadmin_key = "{KEY}"\n{simulated.table()}')
    home = tmp_path / "home"
    added = run("accounts", "add", "codeassist", "token-1", "--json").json["account"]["id"]
    command = [sys.executable, "-m", "antigravity", "serve", "--port", "0"]

    def in_use() -> list[str]:
        return [each["id"] for each in run("status", "--json").json["pool"]["accounts"]]

    with running(command, home, tmp_path):
        wait_for_record(home)
        assert in_use() == [added]
        done = run("accounts", "disable", added, "--reason", "holidays", "--json")
        assert done.json["account"]["disabled_reason"] == "holidays"
        assert in_use() == []
        assert run("accounts", "enable", added[:14], "--json").json["account"]["enabled"] is True
        assert in_use() == [added]
        assert run("accounts", "remove", added, "--json").json == {"removed": added}
        assert in_use() == []
    assert not list((home / "accounts").glob("*.json"))


def test_file_is_changed_if_running_gateway_cannot(run: Run, tmp_path: Path) -> None:
    configure(tmp_path, "[proxy]\n")  # without an admin key
    home = tmp_path / "home"
    added = run("accounts", "add", "openai", "sk-1", "--json").json["account"]["id"]
    record = {"pid": os.getpid(), "addresses": ["http://127.0.0.1:9"]}
    (home / "state").mkdir(mode=0o700, exist_ok=True)
    (home / "state" / "gateway.json").write_text(json.dumps(record))
    assert run("accounts", "disable", added).code == 0
    assert json.loads((home / "accounts" / f"{added}.json").read_text())["enabled"] is False
