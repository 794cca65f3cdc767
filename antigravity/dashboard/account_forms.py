"""The forms that add and remove accounts."""

from __future__ import annotations

from typing import Final

from antigravity.dashboard.context import Page, PageContext
from antigravity.interfaces.account_control import IAccountControl, NewAccount
from antigravity.interfaces.administration import IAdministration
from antigravity.ir.errors import GatewayError, NotFoundError

#: Kinds of accounts that have a key or a token, in the order of the form.
KINDS: Final = ("gemini_api", "anthropic", "openai", "zai", "codeassist")


async def build_add(context: PageContext) -> Page:
    """Return the form for a new account."""
    return add_page(context)


async def build_remove(context: PageContext, account: str) -> Page:
    """Return the page that asks whether to remove an account."""
    control: IAccountControl = context.administration.accounts
    for each in control.accounts().accounts:
        if each.id == account and each.is_file:
            return Page("account_remove.html", {"page": "accounts", "account": each})
    raise NotFoundError(f"The account {account[:100]!r} has no file.", code="account_not_found")


def add_page(
    context: PageContext, given: NewAccount | None = None, problem: GatewayError | None = None
) -> Page:
    """Return the form for a new account, filled with what was ``given`` but its secret."""
    control: IAccountControl = context.administration.accounts
    kind = given.kind if given is not None else context.query.get("kind", "")
    return Page(
        "account_add.html",
        {
            "page": "accounts",
            "kinds": KINDS,
            "kind": kind if kind in KINDS else KINDS[0],
            "given": given or NewAccount("", ""),
            "problem": "" if problem is None else problem.message,
            "is_refused": problem is not None and problem.code == "credential_refused",
            "logins": control.login_upstreams(),
        },
        status=200 if problem is None else problem.status,
    )


async def build_logged_in(administration: IAdministration, query: str) -> Page:
    """Add the account of the login that ``query`` belongs to, and return the page that says so."""
    control: IAccountControl = administration.accounts
    account = problem = ""
    status = 200
    try:
        added = await control.take_redirect(query)
        account = added.label or added.account
    except GatewayError as error:
        problem, status = error.message, error.status
    return Page("logged_in.html", {"account": account, "problem": problem}, status)


def login_page(login: str, address: str, problem: GatewayError | None = None) -> Page:
    """Return the page that leads to the provider, and takes the address of its end."""
    return Page(
        "account_login.html",
        {
            "page": "accounts",
            "login": login,
            "address": address,
            "problem": "" if problem is None else problem.message,
        },
        status=200 if problem is None else problem.status,
    )
