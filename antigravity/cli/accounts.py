"""``antigravity accounts …``."""

from __future__ import annotations

import time

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
from antigravity.cli.completion import ACCOUNT
from antigravity.cli.group import Group
from antigravity.cli.invocation import Invocation, command_options, note
from antigravity.cli.terminal import table


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
    record = files.switch(account, enabled=enabled, reason=reason, when=time.time())
    did = "Enabled" if enabled else "Disabled"
    invocation.show({"account": view(record)}, f"{did} {record.id}.")


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
