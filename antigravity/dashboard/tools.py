"""The pages that need nothing of the site itself, and what their forms change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from antigravity.dashboard import connect_page, keys_page, models_page
from antigravity.dashboard.context import Build, Change

#: The pages by the names of their handlers.
PAGES: Final[Mapping[str, Build]] = {
    "models": models_page.build,
    "connect": connect_page.build,
    "keys": keys_page.build,
}
#: The changes by the names of their handlers, and the page that shows the result.
CHANGES: Final[Mapping[str, tuple[Change, str]]] = {
    "try_rules": (models_page.build_trial, models_page.ADDRESS),
    "change_rules": (models_page.change, models_page.ADDRESS),
}
#: The addresses below ``/dashboard`` to which the sign-in may lead.
ADDRESSES: Final = ("/models", "/connect", "/keys")
