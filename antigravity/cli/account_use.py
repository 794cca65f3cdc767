"""``antigravity accounts use``: use one account for all requests, or let the gateway choose."""

from __future__ import annotations

import click

from antigravity.cli.administration import request_admin
from antigravity.cli.completion import ACCOUNT
from antigravity.cli.group import Command
from antigravity.cli.invocation import Invocation, command_options


@click.command(cls=Command)
@click.argument("account", required=False, type=ACCOUNT)
@click.option("--auto", is_flag=True, help="Let the gateway choose among all accounts again.")
@command_options
def use(invocation: Invocation, account: str | None, auto: bool) -> None:
    """Use ACCOUNT for all requests that it can serve, until --auto or the gateway's end."""
    if (account is None) != auto:
        raise click.UsageError("name an account, or give --auto")
    identifier = None
    if account is not None:
        found = request_admin(invocation, "/admin/accounts")["accounts"]
        identifier = _find(invocation, account, [str(each["id"]) for each in found])
    data = request_admin(invocation, "/admin/account", "POST", {"account": identifier})
    text = "The gateway chooses among all accounts."
    if identifier is not None:
        text = f"All requests use {account}, if it can serve them."
    invocation.show(data, text)


def _find(invocation: Invocation, account: str, identifiers: list[str]) -> str:
    """Return the id of an account of the running gateway."""
    from antigravity.accounts.files import AccountError, AccountFiles

    if account in identifiers:
        return account
    try:
        return AccountFiles(invocation.home).find(account).id
    except AccountError as error:
        same = [each for each in identifiers if each.startswith(account)]
        if len(same) == 1:
            return same[0]
        raise click.ClickException(str(error)) from None
