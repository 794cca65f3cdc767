"""``antigravity keys``: keys are made, changed and removed, with and without a gateway."""

from __future__ import annotations

import json
import stat
import sys
import urllib.error
import urllib.request
from pathlib import Path

from antigravity.config.running_gateway import find_running_gateway
from tests.cli.builders import Run, Simulated, configure, wait_for_record
from tests.support.gateway_process import running

ADMIN = "sk-admin-of-the-tests"


def make(run: Run, *arguments: str) -> dict[str, str]:
    made: dict[str, str] = run("keys", "add", *arguments, "--json", check=True).json
    return made


def test_key_is_made_changed_and_removed_without_a_gateway(run: Run, tmp_path: Path) -> None:
    configure(tmp_path, "[proxy]\n")
    options = ["--rpm", "60", "--budget", "5.00/day,50/month", "--models", "claude-*, gpt-*"]
    made = make(run, "laptop", *options, "--expires", "30d", "--times", "mon-fri 08:00-18:00")
    file = tmp_path / "home" / "keys.json"
    assert made["key"].startswith("sk-ag-")
    assert made["key"] not in file.read_text("utf-8")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    shown = run("keys", "show", "laptop", "--json").json
    assert shown["models"] == ["claude-*", "gpt-*"]
    assert shown["budgets"] == ["5.00/day", "50.00/month"]
    assert shown["expires"] == made["expires"] != ""
    assert made["key"] not in json.dumps(shown)
    changed = run("keys", "change", made["id"], "--rpm", "0", "--models", "", "--label", "desk")
    assert changed.code == 0
    listed = run("keys", "list")
    assert "desk" in listed.out
    assert "60 requests/min" not in listed.out
    assert "$5.00/day, $50.00/month" in listed.out
    assert run("keys", "show", "desk", "--json").json["models"] == []
    assert run("keys", "disable", "desk", "--json").json["key"]["state"] == "disabled"
    assert run("keys", "enable", "desk", "--json").json["key"]["state"] == "valid"
    rotated = run("keys", "rotate", "desk", "--grace", "0", "--json").json
    assert rotated["id"] == made["id"]
    assert rotated["key"] != made["key"]
    assert run("keys", "remove", "desk", "--json").json == {"removed": made["id"]}
    assert run("keys", "list", "--json").json == {"keys": [], "damaged": []}


def test_wrong_values_are_errors(run: Run, tmp_path: Path) -> None:
    configure(tmp_path, "[proxy]\n")
    for option, value in (
        ("--budget", "much"),
        ("--expires", "soon"),
        ("--endpoints", "everything"),
        ("--addresses", "here"),
        ("--unpriced", "perhaps"),
    ):
        assert run("keys", "add", "laptop", option, value, check=True).code != 0
    assert run("keys", "list", "--json").json["keys"] == []
    assert run("keys", "show", "laptop").code == 1
    assert run("keys", "remove", "laptop").code == 1
    assert run("keys", "change", "laptop").code == 2


def test_running_gateway_uses_a_new_key_at_once(
    run: Run, simulated: Simulated, tmp_path: Path
) -> None:
    proxy = f'[proxy]\nadmin_key = "{ADMIN}"\nauth_mode = "strict"\n'
    configure(tmp_path, f"{proxy}{simulated.table()}")
    home = tmp_path / "home"
    command = [sys.executable, "-m", "antigravity", "serve", "--port", "0"]

    def status(key: str) -> int:
        record = find_running_gateway(home)
        assert record is not None
        request = urllib.request.Request(
            f"{record.addresses[0]}/v1/usage", headers={"Authorization": f"Bearer {key}"}
        )
        try:
            with urllib.request.urlopen(request) as response:
                code: int = response.status
                return code
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    with running(command, home, tmp_path):
        wait_for_record(home)
        key = make(run, "laptop", "--rpm", "5")["key"]
        assert status(key) == 200
        assert run("keys", "disable", "laptop").code == 0
        assert status(key) == 401
        assert run("keys", "enable", "laptop").code == 0
        rotated = run("keys", "rotate", "laptop", "--grace", "0", "--json").json["key"]
        assert (status(key), status(rotated)) == (401, 200)
        assert run("keys", "remove", "laptop").code == 0
        assert status(rotated) == 401
