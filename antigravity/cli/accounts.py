"""``antigravity accounts …``."""

from __future__ import annotations

import time
from urllib.parse import quote

import click

from antigravity.accounts.files import AccountFiles
from antigravity.cli.account_add import add
from antigravity.cli.account_login import login
from antigravity.cli.account_refresh import refresh, test_accounts
from antigravity.cli.account_transfer import export_accounts, import_accounts
from antigravity.cli.account_unlock import unlock
from antigravity.cli.account_use import use
from antigravity.cli.account_view import format_value, state, view
from antigravity.cli.account_warmup import warmup
from antigravity.cli.administration import request_admin
from antigravity.cli.completion import ACCOUNT
from antigravity.cli.gateway_client import NoGatewayError
from antigravity.cli.group import Group
from antigravity.cli.invocation import Invocation, command_options, note
from antigravity.cli.terminal import table
from antigravity.config.errors import ConfigurationError
from antigravity.config.running_gateway import find_running_gateway


@click.group(cls=Group)
def accounts() -> None:
    """Add, list and change accounts, the keys for upstreams.

    ACCOUNT is an id, the beginning of an id, or a label.
    """


@accounts.command("list")
@command_options
def list_accounts(invocation: Invocation) -> None:
    """List all accounts with masked secrets."""
    records, broken = AccountFiles(invocation.home).load()
    data = {
        "accounts": [view(record) for record in records],
        "broken": [{"file": str(file.path), "reason": file.reason} for file in broken],
    }
    rows = [
        (
            record.id,
            record.kind,
            record.upstream or "-",
            record.label or "-",
            record.secret.masked(),
            state(record),
        )
        for record in records
    ]
    head = ("ID", "KIND", "UPSTREAM", "LABEL", "SECRET", "STATE")
    empty = "There are no accounts. Add one with 'antigravity accounts add gemini_api'."
    invocation.show(data, table(head, rows) if rows else empty)
    for file in broken:
        note(f"antigravity: skipped {file}")


@accounts.command()
@click.argument("account", type=ACCOUNT)
@command_options
def show(invocation: Invocation, account: str) -> None:
    """Show one ACCOUNT with a masked secret."""
    data = view(AccountFiles(invocation.home).find(account))
    width = max(map(len, data))
    lines = [f"{name:{width}}  {format_value(value)}" for name, value in data.items()]
    invocation.show(data, "\n".join(lines))


@accounts.command()
@click.argument("account", type=ACCOUNT)
@command_options
def remove(invocation: Invocation, account: str) -> None:
    """Remove ACCOUNT and its file."""
    files = AccountFiles(invocation.home)
    identifier = account if files.has(account) else files.find(account).id
    if not _by_gateway(invocation, identifier, "DELETE"):
        files.remove(identifier)
    invocation.show({"removed": identifier}, f"Removed {identifier}.")


@accounts.command()
@click.argument("account", type=ACCOUNT)
@command_options
def enable(invocation: Invocation, account: str) -> None:
    """Enable ACCOUNT, and end its locks."""
    _switch(invocation, account, enabled=True, reason="")


@accounts.command()
@click.argument("account", type=ACCOUNT)
@click.option("--reason", default="disabled by hand", help="The reason to show.")
@command_options
def disable(invocation: Invocation, account: str, reason: str) -> None:
    """Disable ACCOUNT without removing it."""
    _switch(invocation, account, enabled=False, reason=reason)


def _switch(invocation: Invocation, account: str, *, enabled: bool, reason: str) -> None:
    files = AccountFiles(invocation.home)
    action, body = ("enable", {}) if enabled else ("disable", {"reason": reason})
    identifier = files.find(account).id
    if _by_gateway(invocation, identifier, "POST", f"/{action}", body):
        record = files.find(identifier)
    else:
        record = files.switch(identifier, enabled=enabled, reason=reason, when=time.time())
    did = "Enabled" if enabled else "Disabled"
    invocation.show({"account": view(record)}, f"{did} {record.id}.")


def _by_gateway(
    invocation: Invocation, account: str, method: str, action: str = "", body: object = None
) -> bool:
    """Let the gateway that runs in this home change an account, so that it is in force at once.

    Return whether it has: if none runs, or it cannot, the account's file is to be changed, which a
    gateway notices within seconds.
    """
    if find_running_gateway(invocation.home) is None:
        return False
    path = f"/admin/accounts/{quote(account, safe='')}{action}"
    try:
        done = request_admin(invocation, path, method, body, absent=True)
    except (click.ClickException, NoGatewayError, ConfigurationError):
        return False
    if done.get("problem"):
        note(f"antigravity: {done['problem']}")
    return True


for command in (
    add,
    login,
    export_accounts,
    import_accounts,
    refresh,
    test_accounts,
    unlock,
    use,
    warmup,
):
    accounts.add_command(command)
