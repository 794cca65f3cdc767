"""The dashboard in a real Chromium, with scripts: ``make test-browser``."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from antigravity.testing import ThreadedGateway, run_gateway

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on the PATH")

KEY = "sk-admin-key-of-the-tests"
SCRIPT = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
CHAT = "/v1/chat/completions"
PAGES = (
    "",
    "/requests",
    "/usage?measure=requests",
    "/accounts",
    "/models?model=gpt-5.1",
    "/models?model=no-such-model",
    "/keys",
    "/connect?client=codex",
    "/lab",
)
#: The findings of axe-core that are ignored.
HARMLESS = ("minor", "moderate")


@pytest.fixture(scope="module")
def gateway() -> Iterator[ThreadedGateway]:
    with run_gateway(config=f'[proxy]\nadmin_key = "{KEY}"\n') as made:
        ask(made)
        ask(made, SCRIPT)
        yield made


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        options = {"executable_path": CHROMIUM, "args": ["--no-sandbox"]}
        browser = playwright.chromium.launch(**options)
        yield browser
        browser.close()


@pytest.fixture
def page(gateway: ThreadedGateway, chromium: Any) -> Iterator[Any]:
    """A tab that has signed in; a problem that Chromium reports fails the test."""
    problems: list[object] = []
    made = chromium.new_page()
    made.on("console", lambda it: it.type in ("error", "warning") and problems.append(it.text))
    made.on("pageerror", lambda it: problems.append(str(it)))
    made.on("dialog", lambda it: (problems.append(it.message), it.dismiss()))
    made.on("response", lambda it: it.status >= 400 and problems.append((it.status, it.url)))
    made.goto(f"{gateway.url}/dashboard")
    made.fill("#key", KEY)
    made.press("#key", "Enter")
    made.wait_for_selector("#panel")
    yield made
    made.close()
    assert problems == []


def ask(gateway: ThreadedGateway, model: str = "gemini-2.5-flash") -> None:
    gateway.post(CHAT, {"model": model, "messages": [{"role": "user", "content": "hi"}]})


def until(is_true: Callable[[], bool]) -> None:
    """Wait for what happens in the browser: its policy forbids to evaluate conditions there."""
    end = time.monotonic() + 30
    while not is_true():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
def test_pages_fit_without_problems(
    page: Any, gateway: ThreadedGateway, width: int, scheme: str
) -> None:
    page.set_viewport_size({"width": width, "height": 740})
    page.emulate_media(color_scheme=scheme)
    for path in PAGES:
        page.goto(f"{gateway.url}/dashboard{path}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
    page.goto(f"{gateway.url}/dashboard/usage?measure=requests")
    page.wait_for_selector("#chart canvas")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_accessible(page: Any, gateway: ThreadedGateway, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    checker, found = axe.Axe(), []
    for path in PAGES:
        page.goto(f"{gateway.url}/dashboard{path}")
        for finding in checker.run(page).response["violations"]:
            if finding["impact"] not in HARMLESS:
                places = [node["html"] for node in finding["nodes"]]
                found.append((path, finding["id"], places))
    assert found == []


def test_sign_in_is_accessible(gateway: ThreadedGateway, chromium: Any) -> None:
    page = chromium.new_page()
    for path in ("", "/link?token=wrong"):
        page.goto(f"{gateway.url}/dashboard{path}")
        assert axe.Axe().run(page).response["violations"] == []
    page.close()


def test_rules_are_tried_in_place(page: Any, gateway: ThreadedGateway) -> None:
    page.goto(f"{gateway.url}/dashboard/models")
    page.fill("textarea[name=mapping]", f"gpt-* -> gemini-2.5-flash\n{SCRIPT} -> nobody")
    page.click("text=Try it")
    page.wait_for_selector("#trial table")
    assert "models would go elsewhere" in page.inner_text("#trial")
    assert page.url.endswith("/dashboard/models")  # the page itself stays
    assert page.input_value("textarea[name=mapping]").startswith("gpt-*")


def test_request_is_translated_and_sent_in_the_lab(page: Any, gateway: ThreadedGateway) -> None:
    page.goto(f"{gateway.url}/dashboard/lab?protocol=anthropic&model=gpt-5.1")
    page.select_option("select[name=upstream]", "demo-openai")
    page.click("text=Translate >> nth=0")
    page.wait_for_selector("text=demo-openai gets")
    assert "max_completion_tokens" in page.inner_text("#result")
    assert "The client gets" not in page.inner_text("#result")
    page.fill("textarea[name=request]", '{"messages": "none"}')
    page.click("text=Translate >> nth=0")
    page.wait_for_selector("text=Nothing would be sent")
    page.goto(f"{gateway.url}/dashboard/lab?protocol=anthropic&model=gpt-5.1")
    page.click("text=Translate and send")
    page.wait_for_selector("text=The client gets")
    page.click("text=Its record")
    page.wait_for_selector("h1.id")


def test_text_for_client_is_copied(page: Any, gateway: ThreadedGateway) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{gateway.url}/dashboard/connect?client=goose")
    page.click("button[data-copy] >> nth=0")
    page.wait_for_selector("text=Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert f"OPENAI_HOST={gateway.url}\n" in copied


def test_list_is_live_until_it_is_paused(page: Any, gateway: ThreadedGateway) -> None:
    page.goto(f"{gateway.url}/dashboard/requests")
    rows = page.locator("#rows tr")
    number = rows.count()
    ask(gateway)
    until(lambda: rows.count() == number + 1)
    page.keyboard.press("p")
    ask(gateway)
    until(lambda: "waiting" in page.inner_text("#live-state"))
    assert rows.count() == number + 1
    page.click("#pause")
    until(lambda: rows.count() == number + 2)


def test_row_opens_request_with_mouse_and_keyboard(page: Any, gateway: ThreadedGateway) -> None:
    page.goto(f"{gateway.url}/dashboard/requests?outcome=ok")
    page.click("#rows tr:first-child td:nth-child(6)")
    page.wait_for_selector("h1.id")
    page.go_back()
    page.focus("#rows tr:first-child a")
    page.keyboard.press("Enter")
    page.wait_for_selector("h1.id")


def test_account_is_fixed_and_chosen_automatically_again(
    page: Any, gateway: ThreadedGateway
) -> None:
    page.goto(f"{gateway.url}/dashboard/accounts")
    page.click("text=Use only this >> nth=0")
    page.click("text=Choose automatically")
    page.wait_for_selector("text=chosen by the policy")
    page.click("text=Sign out")
    page.wait_for_selector("#key")
