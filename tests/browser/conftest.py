"""A demo gateway, and tabs of the system's Chromium."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from antigravity.testing import ThreadedGateway, run_gateway
from tests.browser.pages import KEY, SCRIPT, ask, sign_in

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on the PATH")
    with sync_api.sync_playwright() as playwright:
        options = {"executable_path": CHROMIUM, "args": ["--no-sandbox"]}
        browser = playwright.chromium.launch(**options)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def gateway(chromium: Any) -> Iterator[ThreadedGateway]:
    config = f'[proxy]\nadmin_key = "{KEY}"\n\n[ledger]\npayloads = "all"\n'
    with run_gateway(config=config) as made:
        ask(made)
        ask(made, SCRIPT)
        yield made


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home directory of the user of the gateway, in which clients are connected."""
    home = tmp_path / "ada"
    home.mkdir()
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(home))
    for name in ("CLAUDE_CONFIG_DIR", "CODEX_HOME", "XDG_CONFIG_HOME", "APPDATA"):
        monkeypatch.delenv(name, raising=False)
    return home


@pytest.fixture
def page(gateway: ThreadedGateway, chromium: Any) -> Iterator[Any]:
    """A tab that has signed in; a problem that Chromium reports fails the test."""
    problems: list[object] = []
    made = chromium.new_page()
    made.on("console", lambda it: it.type in ("error", "warning") and problems.append(it.text))
    made.on("pageerror", lambda it: problems.append(str(it)))
    made.on("dialog", lambda it: (problems.append(it.message), it.dismiss()))
    made.on("response", lambda it: it.status >= 400 and problems.append((it.status, it.url)))
    sign_in(made, gateway)
    yield made
    made.close()
    assert problems == []
