"""The dashboard in a real Chromium, with scripts: ``make test-browser``."""

from __future__ import annotations

import json
import shutil
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from antigravity.testing import ThreadedGateway
from tests.browser.pages import CHAT, KEY, PAGES, SCRIPT, ask, until
from tests.support.gateway_process import running

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")

#: The findings of axe-core that are ignored.
HARMLESS = ("minor", "moderate")


def serious(results: Any) -> list[tuple[str, list[str]]]:
    """Return the findings of axe-core that matter, each with its places."""
    return [
        (finding["id"], [node["html"] for node in finding["nodes"]])
        for finding in results.response["violations"]
        if finding["impact"] not in HARMLESS
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_and_are_accessible(page: Any, gateway: ThreadedGateway, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    found: list[tuple[object, ...]] = []
    for path in PAGES:
        page.goto(f"{gateway.url}/dashboard{path}")
        for width in (360, 1200):
            page.set_viewport_size({"width": width, "height": 740})
            if page.evaluate("document.documentElement.scrollWidth") > width:
                found.append((path, "too wide", width))
        found += [(path, *each) for each in serious(axe.Axe().run(page))]
    assert found == []
    page.goto(f"{gateway.url}/dashboard/usage?measure=requests")
    page.wait_for_selector("#chart canvas")


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
    assert f"{gateway.url}/v1" in copied


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_client_is_connected_and_disconnected_in_place(
    page: Any, gateway: ThreadedGateway, user: Path, scheme: str
) -> None:
    token = "sk-ant-0123456789abcdefghij-somebody-elses"
    file = user / ".claude" / "settings.json"
    file.parent.mkdir()
    other = {"ANTHROPIC_BASE_URL": "https://elsewhere.test", "ANTHROPIC_AUTH_TOKEN": token}
    file.write_text(json.dumps({"env": other, "name": SCRIPT}, indent=2))
    before = file.read_bytes()
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{gateway.url}/dashboard/connect?client=claude-code")
    assert "points elsewhere" in page.inner_text("#connection")
    for show, said in (
        ("Show what connecting changes", "Claude Code is connected."),
        ("Show what undoing changes", "Claude Code is disconnected."),
    ):
        page.click(f"text={show}")
        page.wait_for_selector("#connection pre")
        assert page.url.endswith("/dashboard/connect?client=claude-code")  # the page itself stays
        assert gateway.url in page.inner_text("#connection pre")
        assert token not in page.content()
        for width in (360, 1200):
            page.set_viewport_size({"width": width, "height": 740})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert serious(axe.Axe().run(page)) == []
        page.click("#connection form[action$=connect] button")
        page.wait_for_selector(f"text={said}")
    assert file.read_bytes() == before


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


@pytest.mark.parametrize("width", [360, 1200])
def test_payloads_of_request_are_shown_and_sent_again(
    page: Any, gateway: ThreadedGateway, width: int
) -> None:
    content = f"{SCRIPT} {'x' * 3000}"
    body = {"model": "gemini-2.5-flash", "messages": [{"role": "user", "content": content}]}
    gateway.post(CHAT, body)
    page.set_viewport_size({"width": width, "height": 740})
    page.goto(f"{gateway.url}/dashboard/requests?outcome=ok")
    page.click("#rows tr:first-child a >> nth=0")
    page.wait_for_selector("text=From the client")
    for summary in page.query_selector_all("summary"):
        summary.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert serious(axe.Axe().run(page)) == []
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.click("button[data-copy=curl]")
    page.wait_for_selector("text=Copied")
    assert "YOUR_API_KEY" in page.evaluate("navigator.clipboard.readText()")
    first = page.url
    page.fill("input[name=model]", "gpt-5.1")
    page.click("text=Send again")
    page.wait_for_selector("text=was sent again: status 200")
    assert page.url != first
    assert "gpt-5.1" in page.inner_text("main")


def test_account_is_fixed_and_chosen_automatically_again(
    page: Any, gateway: ThreadedGateway
) -> None:
    page.goto(f"{gateway.url}/dashboard/accounts")
    page.click("text=Use only this >> nth=0")
    page.click("text=Choose automatically")
    page.wait_for_selector("text=chosen by the policy")
    page.click("text=Sign out")
    page.wait_for_selector("#key")


def test_account_is_disabled_enabled_added_and_removed(page: Any, gateway: ThreadedGateway) -> None:
    page.goto(f"{gateway.url}/dashboard/accounts")
    page.click("text=Add an account")
    page.select_option("select[name=kind]", "openai")
    page.fill("input[name=secret]", "sk-key-of-the-browser-test")
    page.fill("input[name=label]", SCRIPT)
    page.click("summary")
    page.fill("input[name=upstream]", "from-browser")
    page.fill("input[name=base_url]", "http://127.0.0.1:9")
    page.click("text=Check and add")
    page.wait_for_selector("text=is added for from-browser")
    row = page.locator("tr", has_text="from-browser")
    row.get_by_text("Disable", exact=True).click()
    page.wait_for_selector("text=is disabled.")
    row.get_by_text("Enable", exact=True).click()
    page.wait_for_selector("text=is enabled")
    row.get_by_text("Remove…").click()
    page.click("text=Keep it")
    row.get_by_text("Remove…").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("button.danger")
    page.click("button.danger")
    page.wait_for_selector("text=is removed.")
    assert row.count() == 0


def test_running_request_is_cancelled(page: Any, gateway: ThreadedGateway) -> None:
    page.goto(f"{gateway.url}/dashboard")
    slow = {"role": "user", "content": "[[chunks 50]] [[delay 1]] [[say one two three]]"}
    body = {"model": "gemini-2.5-flash", "messages": [slow]}
    statuses: list[int] = []
    asking = threading.Thread(
        target=lambda: statuses.append(gateway.post(CHAT, body).status), daemon=True
    )
    asking.start()
    page.click("#panel >> text=Cancel")  # it appears by itself
    page.wait_for_selector("text=is cancelled.")
    asking.join(30)
    assert statuses == [499]


def test_first_page_is_held(page: Any, gateway: ThreadedGateway) -> None:
    page.goto(f"{gateway.url}/dashboard")
    page.keyboard.press("p")
    assert page.get_attribute("#hold", "aria-pressed") == "true"
    assert page.inner_text("#live-state") == "paused"


def test_rows_are_sorted_and_moved_through(page: Any, gateway: ThreadedGateway) -> None:
    page.goto(f"{gateway.url}/dashboard/requests")
    page.click("th >> text=Tries")  # of the rows of this page
    assert page.get_attribute("#pause", "aria-pressed") == "true"
    page.click("th >> text=Duration")  # of the ledger
    page.wait_for_selector("text=longest of all requests that match")
    assert page.url.endswith("sort=duration")
    found = page.eval_on_selector_all(
        "#rows td:nth-child(8)", "cells => cells.map(each => Number(each.dataset.value))"
    )
    assert found == sorted(found, reverse=True)
    assert page.get_attribute("th:nth-child(8)", "aria-sort") == "descending"
    assert page.query_selector("#live") is None  # a sorted list does not change by itself
    assert serious(axe.Axe().run(page)) == []
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    page.wait_for_selector("h1.id")


def test_configuration_is_checked_and_saved(chromium: Any, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "antigravity.toml").write_text(f'[proxy]\nadmin_key = "{KEY}"\n')
    twistd = shutil.which("twistd", path=str(Path(sys.executable).parent))
    assert twistd is not None
    options = ("--nodaemon", "--pidfile=", "antigravity", "--demo", "--port", "0")
    with running((twistd, *options), home, tmp_path) as process:
        page = chromium.new_page(viewport={"width": 360, "height": 740})
        page.goto(f"{process.address()}/dashboard/configuration")
        page.fill("#key", KEY)
        page.press("#key", "Enter")
        page.wait_for_selector("#text")
        text = page.input_value("#text")
        assert KEY not in text
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        assert serious(axe.Axe().run(page)) == []
        page.fill("#text", f"{text}\n[log]\naccess = 7\n")
        page.click("text=Check and save")
        page.wait_for_selector("text=line 5")
        page.fill("#text", f"{text}\n[log]\naccess = false\n")
        page.get_by_role("button", name="Check", exact=True).click()
        page.wait_for_selector("text=This text can be used")
        page.click("text=Check and save")
        page.wait_for_selector("text=written and in force")
        assert "access = false" in page.input_value("#text")
        page.close()
