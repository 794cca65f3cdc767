"""The pages, and what opens them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from antigravity.testing import ThreadedGateway

KEY = "sk-admin-key-of-the-tests"
SCRIPT = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
CHAT = "/v1/chat/completions"
PAGES = (
    "",
    "/requests",
    "/usage?measure=requests",
    "/usage?since=30d&measure=tokens",
    "/accounts",
    "/accounts/add",
    "/models?model=gpt-5.1",
    "/models?model=no-such-model",
    "/keys",
    "/connect?client=codex",
    "/lab",
    "/system",
)


def ask(gateway: ThreadedGateway, model: str = "gemini-2.5-flash") -> None:
    """Send a request, so that there is something to show."""
    gateway.post(CHAT, {"model": model, "messages": [{"role": "user", "content": "hi"}]})


def sign_in(page: Any, gateway: ThreadedGateway) -> None:
    """Open the first page with the admin key."""
    page.goto(f"{gateway.url}/dashboard")
    page.fill("#key", KEY)
    page.press("#key", "Enter")
    page.wait_for_selector("#panel")


def until(is_true: Callable[[], bool]) -> None:
    """Wait for what happens in the browser: its policy forbids to evaluate conditions there."""
    end = time.monotonic() + 30
    while not is_true():
        assert time.monotonic() < end
        time.sleep(0.05)
