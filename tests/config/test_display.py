"""Settings are shown without the secrets in them."""

from __future__ import annotations

import pytest

from antigravity.config.display import without_secrets


@pytest.mark.parametrize("password", ["p", "p/w", "12/34", "p@s", "p@s/w", "p?w", "p#w", "[p", "/"])
@pytest.mark.parametrize("user", ["", "me"])
def test_password_of_address_is_hidden_whatever_it_has(user: str, password: str) -> None:
    shown = without_secrets(f"redis://{user}:{password}@host:6379/0")
    assert shown == "redis://…@host:6379/0"


@pytest.mark.parametrize(
    "text", ["https://host/path", "me@example.com", "npx @scope/name", "me@b.org, https://host/"]
)
def test_text_without_password_is_shown(text: str) -> None:
    assert without_secrets(text) == text
