"""``antigravity accounts unlock``: end the locks of an account early."""

from __future__ import annotations

from urllib.parse import quote

import click

from antigravity.accounts.files import AccountError, AccountFiles
from antigravity.cli.administration import request_admin
from antigravity.cli.completion import ACCOUNT
from antigravity.cli.group import Command
from antigravity.cli.invocation import Invocation, command_options


@click.command(cls=Command)
@click.argument("account", type=ACCOUNT)
@click.option("--model", default="", help="End only the lock for this model of the upstream.")
@command_options
def unlock(invocation: Invocation, account: str, model: str) -> None:
    """End the locks of ACCOUNT early.

    The running gateway ends them at once.  Without --model this also works without a running
    gateway or proxy.admin_key: the command then changes the time of the account's file, which a
    running gateway notices within seconds.
    """
    files = AccountFiles(invocation.home)
    identifier, unknown = "", ""
    try:
        identifier = files.find(account).id
    except AccountError as error:  # it may be in the configuration; the gateway knows those
        unknown = str(error)
    body = {"model": model} if model else None
    try:
        path = f"/admin/accounts/{quote(identifier or account, safe='')}/unlock"
        data = request_admin(invocation, path, "POST", body)
    except click.ClickException as error:
        if model:
            raise
        if not identifier:
            raise click.ClickException(f"{unknown}; {error.message}") from None
        files.touch(identifier)
        data = {"account": identifier, "model": None, "unlocked": None}
    what = f" for {model}" if model else ""
    count = data["unlocked"]
    how = {None: "", 0: "; it had no lock"}.get(count, f"; locks ended: {count}")
    invocation.show(data, f"Unlocked {data['account']}{what}{how}.")
