"""The accounts: state and why, locks, quotas, and what can be changed."""

from __future__ import annotations

from antigravity.dashboard.address import request_list
from antigravity.dashboard.context import Page, PageContext
from antigravity.interfaces.account_control import AccountView, IAccountControl

#: Locks that end only if somebody does something.
URGENT = frozenset({"credential", "billing", "revoked"})


async def build(context: PageContext) -> Page:
    """Return the page."""
    control: IAccountControl = context.administration.accounts
    found = control.accounts()
    return Page(
        "accounts.html",
        {
            "page": "accounts",
            "accounts": found.accounts,
            "mode": found.mode,
            "fixed": found.fixed,
            "now": context.now,
            "is_local": context.is_local,
            "link": request_list,
        },
    )


def is_urgent(account: AccountView) -> bool:
    """Return whether somebody has to do something about an account."""
    return account.state in ("locked", "unused") or any(
        lock.help or lock.reason in URGENT or lock.free_in is None for lock in account.locks
    )
