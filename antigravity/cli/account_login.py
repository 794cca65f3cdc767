"""``antigravity accounts login``: add an account by logging in with a browser."""

from __future__ import annotations

import click

from antigravity.accounts.records import AccountRecord
from antigravity.cli.account_add import saver_for, stays_disabled, warn
from antigravity.cli.account_view import view
from antigravity.cli.browser_login import log_in
from antigravity.cli.group import Command
from antigravity.cli.invocation import Invocation, command_options, note
from antigravity.cli.reactor import run
from antigravity.config.secret import Secret
from antigravity.oauth.errors import LoginError
from antigravity.upstreams.addresses import proxy_of
from antigravity.upstreams.codeassist.consent import redeem, start_login
from antigravity.upstreams.codeassist.login_target import KIND, login_target


@click.command(cls=Command)
@click.option("--upstream", default="", help="The upstream to log in for (kind codeassist).")
@click.option("--label", default="", help="A name for the account (default: its e-mail address).")
@click.option(
    "--no-browser", is_flag=True, help="Do not open a browser; paste the address at which it ends."
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    help="The loopback port for the redirect, such as that of an SSH tunnel (default: a free one).",
)
@click.option("--timeout", default=300.0, help="Seconds to wait for the browser (default: 300).")
@command_options
def login(
    invocation: Invocation, upstream: str, label: str, no_browser: bool, port: int, timeout: float
) -> None:
    """Log in to Google in a browser, and add the account.

    This requires your own OAuth client of the type "Desktop app": set client_id and client_secret
    in [upstreams.codeassist.oauth].  If this machine has no browser, open the address on another
    machine, and paste the address at which the browser ends.
    """
    settings = invocation.configuration().settings
    try:
        target = login_target(settings, upstream)
        name, table = target.name, target.settings
        consent, code = log_in(
            lambda redirect_uri: start_login(table.oauth, redirect_uri),
            port=port,
            timeout=timeout,
            no_browser=no_browser,
        )
        proxy = proxy_of(table, name)
        granted = run(
            lambda reactor, transport: redeem(transport, table.oauth, consent, code, proxy)
        )
    except LoginError as error:
        raise click.ClickException(str(error)) from None
    saver = saver_for(invocation, settings)
    fresh = AccountRecord("", KIND, Secret(granted.refresh_token), name, label or granted.email)
    registered = saver.save(saver.with_upstream(fresh))
    record = registered.record
    did = "Added" if registered.outcome == "added" else "Updated"
    data = {"updated": registered.outcome != "added", "account": view(record)}
    who = f" ({record.label})" if record.label else ""
    invocation.show(data, f"{did} {record.id}{who} for upstream {name}.")
    if reason := stays_disabled(record):
        note(f"antigravity: {reason}")
    warn(saver, [name])
