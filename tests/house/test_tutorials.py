"""Every command and every setting of the tutorials works, in their order, for a new user.

Providers are simulated.  What cannot be run here is listed with the reason.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.house.new_user import User, steps
from tests.support.pages import ROOT

PAGES = sorted((ROOT / "docs" / "tutorials").glob("*.rst"))
#: Commands that are not run, by their beginning, and why.
EXCEPTIONS = {
    "sudo nginx": "it needs root and an nginx; the file it checks is tested with the reverse proxy",
    "curl https://gateway.example.org": "that host does not exist",
    "python -m pip install": "it would change this environment; the example plugin's test does it",
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_tutorial_works(page: Path, user: User) -> None:
    said = {}
    for language, text in steps(page):
        if language == "toml":
            user.configure(text)
        elif not any(text.startswith(beginning) for beginning in EXCEPTIONS):
            said[text] = user.type(text)
    assert len(said) >= 2, "nothing was tried"
    check = CHECKS.get(page.stem)
    if check is not None:
        check(user, said)
    if user.gateway is not None:
        assert user.gateway.process.poll() is None
        assert "Traceback" not in user.gateway.log


def claude_code(user: User, said: dict[str, str]) -> None:
    assert "gemini-2.5-pro" in said["antigravity explain claude-sonnet-5 --client claude-code"]
    assert user.gateway is not None
    assert said["antigravity run claude"] == f"started for {user.gateway.address()}\n"
    settings = (user.folder / ".claude" / "settings.json").read_text()
    assert user.gateway.address() in settings


def codex(user: User, said: dict[str, str]) -> None:
    assert 'model = "claude-sonnet-5"' in (user.folder / ".codex" / "config.toml").read_text()


def accounts(user: User, said: dict[str, str]) -> None:
    assert "first" in said["antigravity status"]
    assert said["antigravity accounts test ALL"].count("works") >= 2


def team(user: User, said: dict[str, str]) -> None:
    (metrics,) = (text for line, text in said.items() if line.startswith("curl "))
    assert "antigravity_" in metrics


def plugin(user: User, said: dict[str, str]) -> None:
    assert (user.folder / "antigravity-weather").is_dir()


CHECKS = {
    "claude-code-on-gemini": claude_code,
    "codex-on-claude": codex,
    "many-accounts": accounts,
    "team": team,
    "plugin": plugin,
}


def test_every_exception_is_used() -> None:
    lines = [text for page in PAGES for language, text in steps(page) if language == "console"]
    for beginning in EXCEPTIONS:
        assert any(line.startswith(beginning) for line in lines), beginning
