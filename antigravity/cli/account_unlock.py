"""``antigravity accounts unlock``: end the locks of an account early."""

from __future__ import annotations

from typing import Any, Final, TypeAlias
from urllib.parse import quote

import click

from antigravity.accounts.files import AccountError, AccountFiles
from antigravity.cli.administration import RequestFailedError, request_admin
from antigravity.cli.completion import ACCOUNT
from antigravity.cli.group import Command
from antigravity.cli.invocation import Invocation, command_options

#: An account, the model or ``None`` for all, and how many locks ended, if that is known.
Unlocked: TypeAlias = dict[str, Any]

_NOT_FOUND: Final = 404


@click.command(cls=Command)
@click.argument("account", type=ACCOUNT)
@click.option("--model", default="", help="End only the lock for this model of the upstream.")
@command_options
def unlock(invocation: Invocation, account: str, model: str) -> None:
    """End the locks of ACCOUNT early, or those of ALL accounts.

    The running gateway ends them at once.  Without --model this also works without a running
    gateway or proxy.admin_key: the command then changes the time of the account's file, which a
    running gateway notices within seconds.
    """
    if account in ("ALL", "all"):
        done = _unlock_all(invocation, model)
        text = "\n".join(_describe(each) for each in done) or "There are no accounts."
        invocation.show({"accounts": done}, text)
    else:
        one = _unlock_one(invocation, account, model)
        invocation.show(one, _describe(one))


def _unlock_one(invocation: Invocation, account: str, model: str) -> Unlocked:
    """Return what was done for one account.

    :raises click.ClickException: if nothing was.
    """
    files = AccountFiles(invocation.home)
    identifier, unknown = "", ""
    try:
        identifier = files.find(account).id
    except AccountError as error:  # it may be in the configuration; the gateway knows those
        unknown = str(error)
    try:
        return _ask_gateway(invocation, identifier or account, model)
    except click.ClickException as error:
        if unknown and isinstance(error, RequestFailedError) and error.status == _NOT_FOUND:
            raise click.ClickException(unknown) from None
        if unknown:
            raise click.ClickException(
                f"{unknown}; the gateway, which knows those of the configuration, cannot be asked: "
                f"{error.message}"
            ) from None
        if model:
            raise
        files.touch(identifier)
        return {"account": identifier, "model": None, "unlocked": None}


def _unlock_all(invocation: Invocation, model: str) -> list[Unlocked]:
    """Return what was done for each account.

    :raises click.ClickException: if nothing was.
    """
    try:
        known = request_admin(invocation, "/admin/accounts")["accounts"]
        used = [each["id"] for each in known if each["state"] not in ("disabled", "unused")]
        return [_ask_gateway(invocation, each, model) for each in used]
    except click.ClickException:
        if model:
            raise
        files = AccountFiles(invocation.home)
        enabled = [each.id for each in files.load()[0] if each.enabled]
        for identifier in enabled:
            files.touch(identifier)
        return [{"account": each, "model": None, "unlocked": None} for each in enabled]


def _ask_gateway(invocation: Invocation, identifier: str, model: str) -> Unlocked:
    path = f"/admin/accounts/{quote(identifier, safe='')}/unlock"
    return request_admin(invocation, path, "POST", {"model": model} if model else None)


def _describe(done: Unlocked) -> str:
    what = f" for {done['model']}" if done["model"] else ""
    count = done["unlocked"]
    how = {None: "", 0: "; it had no lock"}.get(count, f"; locks ended: {count}")
    return f"Unlocked {done['account']}{what}{how}."
