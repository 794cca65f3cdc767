"""The request of the admin API that each change of the dashboard is: the same rules hold for both.

A test compares this table with the declarations of the admin API.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from antigravity.ir.errors import PermissionDeniedError

#: The requests by the names of the changes, which are followed by an action that is in the path.
ADMIN_REQUESTS: Final[Mapping[str, str]] = {
    "cancel_request": "POST /admin/requests/<request_id>/cancel",
    "replay_request": "POST /admin/requests/<request_id>/replay",
    "fix_account": "POST /admin/account",
    "refresh_accounts": "POST /admin/accounts/refresh",
    "change_account/enable": "POST /admin/accounts/<account>/enable",
    "change_account/disable": "POST /admin/accounts/<account>/disable",
    "change_account/refresh": "POST /admin/accounts/refresh",
    "change_account/unlock": "POST /admin/accounts/<account>/unlock",
    "change_account/warm-up": "POST /internal/warmup",
    "remove_account": "DELETE /admin/accounts/<account>",
    "add_account": "POST /admin/accounts",
    "log_in": "POST /admin/logins",
    "finish_login": "POST /admin/logins/<login>",
    "add_key": "POST /admin/keys",
    "edit_key": "PATCH /admin/keys/<key>",
    "remove_key": "DELETE /admin/keys/<key>",
    "change_key/enable": "POST /admin/keys/<key>/enable",
    "change_key/disable": "POST /admin/keys/<key>/disable",
    "change_key/rotate": "POST /admin/keys/<key>/rotate",
    "change_connection/preview": "POST /admin/connections/<client>/preview",
    "change_connection/connect": "POST /admin/connections/<client>/connect",
    "change_connection/disconnect": "POST /admin/connections/<client>/disconnect",
    "check_configuration": "POST /admin/configuration/check",
    "save_configuration": "PUT /admin/configuration/text",
    "examine": "POST /admin/doctor",
    "start_tunnel": "POST /admin/tunnel/start",
    "stop_tunnel": "POST /admin/tunnel/stop",
    "try_rules": "POST /admin/mapping/try",
    "change_rules": "POST /admin/mapping",
    "try_request": "POST /admin/lab/send",
}
#: The requests that come from the gateway's own machine only.
LOCAL_ONLY: Final = frozenset(
    {
        "POST /internal/warmup",
        "POST /admin/connections/<client>/preview",
        "POST /admin/connections/<client>/connect",
        "POST /admin/connections/<client>/disconnect",
    }
)


def admin_request(name: str, action: str) -> str:
    """Return the request that a change is, ``""`` if there is no such action."""
    return ADMIN_REQUESTS.get(f"{name}/{action}" if action else name, "")


def require_local_change(name: str, action: str, *, is_local: bool) -> None:
    """Check that a change may come from another machine.

    :param action: the last part of the path, ``""`` if that is not variable.
    :raises PermissionDeniedError: if it does, and the admin API forbids that.
    """
    if admin_request(name, action) in LOCAL_ONLY and not is_local:
        raise PermissionDeniedError(
            "This can be done from the gateway's own machine only, and not through a proxy."
        )
