"""Accounts are checked when they are added; use, test, ids from labels, completion."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from antigravity.accounts.files import AccountFiles
from antigravity.cli import account_check
from tests.cli.builders import Run, Simulated


def ids(tmp_path: Path) -> list[str]:
    return [each.id for each in AccountFiles(tmp_path / "home").load()[0]]


def test_working_key_is_saved_and_refused_key_is_not(
    run: Run, tmp_path: Path, simulated: Simulated
) -> None:
    works = run(
        "accounts", "add", "openai", "sk-1", "--base-url", f"{simulated.address}/v1",
        "--upstream", "sim", "--label", "Work & Play", check=True,
    )  # fmt: skip
    assert (works.code, works.out) == (0, "Added sim-work-play for upstream sim. It works.\n")
    refused = run(
        "accounts", "add", "openai", "bad-2", "--base-url", f"{simulated.address}/v1",
        "--upstream", "sim", check=True,
    )  # fmt: skip
    assert refused.code == 1
    assert "is not saved. The upstream refused the gateway's credential with status 401" in (
        refused.err
    )
    assert "the address of sim" in refused.err
    assert "--no-check" in refused.err
    assert ids(tmp_path) == ["sim-work-play"]


def test_key_is_saved_if_its_upstream_cannot_be_reached(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account_check, "SECONDS", 0.5)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        result = run(
            "accounts", "add", "openai", "sk-1", "--base-url", address, "--json", check=True
        )
    assert result.code == 0
    assert result.json["works"] is None
    assert "it could not be checked" in result.err
    assert len(ids(tmp_path)) == 1


def test_ids_come_from_labels_but_not_from_addresses(run: Run, tmp_path: Path) -> None:
    for number, label in enumerate(("Büro", "buro", "me@example.org", "", "☂")):
        arguments = ("--label", label) if label else ()
        assert run("accounts", "add", "openai", f"sk-{number}", *arguments).code == 0
    found = ids(tmp_path)
    assert {"openai-buro", "openai-buro-2"} <= set(found)
    assert not any("example" in each for each in found)
    assert len(set(found)) == 5


def test_test_shows_a_row_for_each_account(run: Run, tmp_path: Path, simulated: Simulated) -> None:
    for secret, label in (("sk-1", "good"), ("bad-2", "broken")):
        run(
            "accounts", "add", "openai", secret, "--base-url", f"{simulated.address}/v1",
            "--label", label,
        )  # fmt: skip
    both = run("accounts", "test", "ALL")
    assert both.code == 1
    (good,) = (line for line in both.out.splitlines() if " good " in line)
    assert "works" in good
    (bad,) = (line for line in both.out.splitlines() if " broken " in line)
    assert "works" not in bad
    assert run("accounts", "test", "good", "--json").json["accounts"][0]["works"] is True


@pytest.mark.parametrize("arguments", [(), ("me", "--auto")])
def test_use_needs_an_account_or_auto(run: Run, arguments: tuple[str, ...]) -> None:
    assert run("accounts", "use", *arguments).code == 2


def test_export_says_that_secrets_are_masked(run: Run) -> None:
    assert run("accounts", "export").err == ""
    run("accounts", "add", "openai", "sk-1")
    assert "the secrets are masked" in run("accounts", "export").err
    assert "contains secrets" in run("accounts", "export", "--secrets").err


def complete(tmp_path: Path, *words: str) -> list[str]:
    """Return what a shell would offer after some words."""
    environment = {
        **os.environ,
        "ANTIGRAVITY_HOME": str(tmp_path / "home"),
        "_ANTIGRAVITY_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(("antigravity", *words)),
        "COMP_CWORD": str(len(words)),
    }
    done = subprocess.run(
        [sys.executable, "-m", "antigravity"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


@pytest.mark.usefixtures("no_gateway")
def test_shells_complete_commands_accounts_and_upstreams(run: Run, tmp_path: Path) -> None:
    for shell in ("bash", "zsh", "fish"):
        assert "_ANTIGRAVITY_COMPLETE" in run("completion", shell).out
    assert run("completion", "tcsh").code == 2
    run("accounts", "add", "openai", "sk-1", "--label", "work")
    assert complete(tmp_path, "stat") == ["status"]
    assert complete(tmp_path, "accounts", "show", "w") == ["work"]
    run("accounts", "add", "openai", "sk-2", "--label", "my laptop")
    assert complete(tmp_path, "accounts", "show", "o") == ["openai-my-laptop"], "one word"
    assert complete(tmp_path, "accounts", "add", "--upstream", "o") == ["openai"]
    assert complete(tmp_path, "explain", "gpt") == [], "no gateway runs"
