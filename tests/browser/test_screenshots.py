"""Pictures of the pages for the documentation: ``make test-browser SCREENSHOTS=1``."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from antigravity.testing import ThreadedGateway, run_gateway
from tests.browser.pages import CHAT, KEY, sign_in

FOLDER = Path(__file__).parents[2] / "docs" / "screenshots"
pytestmark = pytest.mark.skipif("SCREENSHOTS" not in os.environ, reason="SCREENSHOTS is not set")

#: The largest picture, in bytes.
LARGEST = 60 * 1024
CONFIG = f"""\
[proxy]
admin_key = "{KEY}"
[proxy.custom_mapping]
"claude-3-5-*" = "claude-sonnet-5"
"gpt-4*" = "gemini-3-flash"
[routing.fallback_models]
"claude-sonnet-5" = ["gemini-3-pro-high", "gpt-5.1"]
"""
PAGES = {
    "now": "",
    "requests": "/requests",
    "usage": "/usage?measure=tokens",
    "accounts": "/accounts",
    "models": "/models?model=gpt-4o-mini",
    "keys": "/keys",
    "connect": "/connect?client=claude-code",
    "lab": "/lab?protocol=anthropic&model=gpt-5.1",
    "system": "/system",
}
#: The forms of each picture: colours, and width and height of the window.
FORMS = {"light": ("light", 1200, 800), "dark": ("dark", 1200, 800), "narrow": ("light", 360, 740)}
TRAFFIC = (
    ("claude-cli/2.1.329 (external, cli)", "claude-sonnet-5", 6),
    ("codex_cli_rs/0.169.0", "gpt-5.1", 5),
    ("GeminiCLI/0.61.0", "gemini-2.5-flash", 4),
    ("OpenAI/Python 3.52.0", "gpt-4o-mini", 3),
    ("opencode/1.18.33", "no-such-model", 1),
)


@pytest.fixture
def busy_gateway(chromium: Any) -> Iterator[ThreadedGateway]:
    with run_gateway(config=CONFIG) as made:
        for client, model, number in TRAFFIC:
            for count in range(number):
                text = "Explain the ledger. " * (10 * count + 5)
                body = {"model": model, "messages": [{"role": "user", "content": text}]}
                headers = {"User-Agent": client, "Content-Type": "application/json"}
                request = Request(made.url + CHAT, json.dumps(body).encode(), headers)
                with suppress(OSError):  # of the model that nobody serves
                    urlopen(request).read()
        yield made


def take(session: Any) -> bytes:
    """Return a picture, in the best quality that is small enough."""
    for quality in (75, 60, 45, 30, 20):
        options = {"format": "webp", "quality": quality}
        picture = base64.b64decode(session.send("Page.captureScreenshot", options)["data"])
        if len(picture) <= LARGEST:
            break
    return picture


def test_pictures_of_all_pages_are_written(
    busy_gateway: ThreadedGateway, chromium: Any, user: Path
) -> None:
    FOLDER.mkdir(exist_ok=True)
    settings = user / ".claude" / "settings.json"
    settings.parent.mkdir()
    settings.write_text('{\n  "model": "opus",\n  "includeCoAuthoredBy": false\n}\n')
    page = chromium.new_page()
    sign_in(page, busy_gateway)
    session = page.context.new_cdp_session(page)
    for form, (scheme, width, height) in FORMS.items():
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": height})
        for name, path in PAGES.items():
            page.goto(f"{busy_gateway.url}/dashboard{path}")
            if name == "lab":
                page.click("text=Translate >> nth=0")
                page.wait_for_selector("text=Warnings")
            if name == "connect":
                page.click("text=Show what connecting changes")
                page.wait_for_selector("#connection pre")
            if name == "usage":
                page.wait_for_selector("#chart canvas")
            picture = take(session)
            assert len(picture) <= LARGEST, (name, form, len(picture))
            (FOLDER / f"{name}-{form}.webp").write_bytes(picture)
    page.close()
