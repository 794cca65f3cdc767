"""``antigravity accounts warmup``: start the time windows of quotas."""

from __future__ import annotations

import click

from antigravity.cli.administration import request_admin
from antigravity.cli.completion import ACCOUNT, MODEL
from antigravity.cli.group import Command
from antigravity.cli.invocation import Invocation, command_options
from antigravity.cli.terminal import table

#: Seconds to wait: a request takes up to a minute, and a few run at a time.
TIMEOUT = 600.0


@click.command(cls=Command)
@click.argument("account", required=False, type=ACCOUNT)
@click.option(
    "--model", default="", type=MODEL, help="Warm up for this model, whatever its remaining quota."
)
@click.option("--project", default="", help="The Google Cloud project (default: the account's).")
@command_options
def warmup(invocation: Invocation, account: str | None, model: str, project: str) -> None:
    """Send tiny requests that start the time windows of quotas.

    Without --model all full quotas that were not warmed up recently are warmed up; without
    ACCOUNT, those of all accounts.  The gateway must run on this machine.
    """
    body = {"account": account or "", "model": model, "project": project}
    data = request_admin(invocation, "/internal/warmup", "POST", body, timeout=TIMEOUT)
    rows = [
        (each["account"], each["upstream"], each["model"], each["state"], each["reason"])
        for each in data["results"]
    ]
    heads = ("ACCOUNT", "UPSTREAM", "MODEL", "STATE", "REASON")
    invocation.show(data, table(heads, rows) if rows else "There is nothing to warm up.")
    if not data["success"]:
        click.get_current_context().exit(1)
