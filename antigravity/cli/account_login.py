"""``antigravity accounts login``: add an account by logging in with a browser."""

from __future__ import annotations

import click

from antigravity.accounts.records import AccountRecord
from antigravity.cli.account_add import stays_disabled, warn
from antigravity.cli.account_saver import AccountSaver
from antigravity.cli.account_view import view
from antigravity.cli.browser_login import log_in
from antigravity.cli.invocation import Invocation, command_options, note
from antigravity.cli.reactor import run
from antigravity.config.secret import Secret
from antigravity.config.settings import OAuthSettings, Settings, UpstreamSettings
from antigravity.oauth.errors import LoginError
from antigravity.upstreams.addresses import proxy_of
from antigravity.upstreams.codeassist.consent import redeem, start_login

KIND = "codeassist"


@click.command()
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
    name, table = _upstream(settings, upstream)
    _check_client(name, table.oauth)
    try:
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
    saver = AccountSaver(invocation, settings)
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


def _upstream(settings: Settings, option: str) -> tuple[str, UpstreamSettings]:
    """Return the upstream to log in for.

    :raises click.ClickException: if there are several, or it is of another kind.
    """
    names = [name for name, each in settings.upstreams.items() if each.kind == KIND]
    if not option and len(names) > 1:
        raise click.ClickException(f"choose one with --upstream: {', '.join(names)}")
    name = option or (names[0] if names else KIND)
    table = settings.upstreams.get(name, UpstreamSettings(kind=KIND))
    if table.kind != KIND:
        raise click.ClickException(
            f"upstream {name} is of kind {table.kind}, which has keys and no login; run "
            f"'antigravity accounts add {table.kind}'"
        )
    return name, table


def _check_client(name: str, oauth: OAuthSettings) -> None:
    """Check that there is an OAuth client."""
    keys = {"client_id": oauth.client_id, "client_secret": oauth.client_secret}
    missing = [f"upstreams.{name}.oauth.{key}" for key, value in keys.items() if not value]
    if missing:
        raise click.ClickException(
            f"there is no OAuth client to log in with: set {' and '.join(missing)} to those of "
            "your own client of the type 'Desktop app' (Google Cloud console, APIs & Services, "
            "Credentials)"
        )
