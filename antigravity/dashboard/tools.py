"""The pages that need nothing of the site itself, and what their forms change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from antigravity.dashboard import (
    configuration_page,
    connect_page,
    keys_page,
    models_page,
    system_page,
)
from antigravity.dashboard.context import Build, Change

#: The pages by the names of their handlers.
PAGES: Final[Mapping[str, Build]] = {
    "models": models_page.build,
    "connect": connect_page.build,
    "keys": keys_page.build,
    "configuration": configuration_page.build,
    "system": system_page.build,
}
#: The changes by the names of their handlers, and the page that shows the result.
CHANGES: Final[Mapping[str, tuple[Change, str]]] = {
    "check_configuration": (configuration_page.check, configuration_page.ADDRESS),
    "save_configuration": (configuration_page.save, configuration_page.ADDRESS),
    "examine": (system_page.examine, system_page.ADDRESS),
    "start_tunnel": (system_page.start_tunnel, system_page.ADDRESS),
    "stop_tunnel": (system_page.stop_tunnel, system_page.ADDRESS),
    "try_rules": (models_page.build_trial, models_page.ADDRESS),
    "change_rules": (models_page.change, models_page.ADDRESS),
}
#: The addresses below ``/dashboard`` to which the sign-in may lead.
ADDRESSES: Final = ("/models", "/connect", "/keys", "/system", "/configuration", "/plugins")
