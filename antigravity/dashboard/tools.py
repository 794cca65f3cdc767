"""All pages but those that are parts of others, and what their forms change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from antigravity.dashboard import (
    account_actions,
    account_forms,
    accounts_page,
    configuration_page,
    connect_page,
    key_actions,
    keys_page,
    lab_page,
    models_page,
    now_page,
    request_page,
    requests_page,
    system_page,
    usage_page,
)
from antigravity.dashboard.account_actions import ACCOUNTS
from antigravity.dashboard.context import Build, Change
from antigravity.interfaces.lab import LARGEST
from antigravity.web.authentication import DASHBOARD_PATH

#: The pages by the names of their handlers.
PAGES: Final[Mapping[str, Build]] = {
    "now": now_page.build,
    "requests": requests_page.build,
    "request": request_page.build,
    "usage": usage_page.build,
    "accounts": accounts_page.build,
    "add_account": account_forms.build_add,
    "remove_account": account_forms.build_remove,
    "models": models_page.build,
    "connect": connect_page.build,
    "keys": keys_page.build,
    "add_key": key_actions.build_add,
    "edit_key": key_actions.build_edit,
    "remove_key": key_actions.build_remove,
    "lab": lab_page.build,
    "configuration": configuration_page.build,
    "system": system_page.build,
}
#: The changes by the names of their handlers, and the page that shows the result, whose address
#: can have names in the path.
CHANGES: Final[Mapping[str, tuple[Change, str]]] = {
    "cancel_request": (now_page.cancel, DASHBOARD_PATH),
    "replay_request": (request_page.replay, DASHBOARD_PATH),
    "fix_account": (account_actions.fix, ACCOUNTS),
    "refresh_accounts": (account_actions.refresh, ACCOUNTS),
    "change_account": (account_actions.change, ACCOUNTS),
    "remove_account": (account_actions.remove, ACCOUNTS),
    "add_account": (account_actions.add, ACCOUNTS),
    "add_key": (key_actions.add, key_actions.KEYS),
    "edit_key": (key_actions.edit, key_actions.KEYS),
    "remove_key": (key_actions.remove, key_actions.KEYS),
    "change_key": (key_actions.change, key_actions.KEYS),
    "change_connection": (connect_page.change, connect_page.ADDRESS),
    "log_in": (account_actions.log_in, ACCOUNTS),
    "finish_login": (account_actions.finish_login, ACCOUNTS),
    "check_configuration": (configuration_page.check, configuration_page.ADDRESS),
    "save_configuration": (configuration_page.save, configuration_page.ADDRESS),
    "examine": (system_page.examine, system_page.ADDRESS),
    "start_tunnel": (system_page.start_tunnel, system_page.ADDRESS),
    "stop_tunnel": (system_page.stop_tunnel, system_page.ADDRESS),
    "try_rules": (models_page.build_trial, models_page.ADDRESS),
    "change_rules": (models_page.change, models_page.ADDRESS),
    "try_request": (lab_page.attempt, lab_page.ADDRESS),
}
#: Those whose forms can be large, and the most bytes of such a form: JSON grows when it is quoted.
LARGE_FORMS: Final = frozenset({"check_configuration", "save_configuration", "try_request"})
LARGEST_FORM: Final = 3 * LARGEST
#: The addresses below ``/dashboard`` to which the sign-in may lead.
ADDRESSES: Final = (
    "/requests",
    "/usage",
    "/accounts",
    "/models",
    "/connect",
    "/keys",
    "/lab",
    "/system",
    "/configuration",
    "/plugins",
)
