"""``antigravity accounts test`` (and ``refresh``): check accounts and quotas at the upstreams."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from msgspec import Struct, structs
from twisted.internet.defer import maybeDeferred

from antigravity.accounts.account_disabler import AccountDisabler
from antigravity.accounts.credential_store import CredentialStore
from antigravity.accounts.files import AccountFiles
from antigravity.accounts.known_quotas import KnownQuotas
from antigravity.accounts.quota_files import QuotaFiles
from antigravity.accounts.quota_monitor import QuotaMonitor
from antigravity.accounts.records import AccountRecord
from antigravity.app.account_checks import check_account
from antigravity.app.build import build_upstreams
from antigravity.cli.account_view import format_time
from antigravity.cli.completion import ACCOUNT
from antigravity.cli.group import Command
from antigravity.cli.invocation import Invocation, command_options, note
from antigravity.cli.options import is_quiet
from antigravity.cli.reactor import run
from antigravity.cli.terminal import table
from antigravity.config.settings import Settings
from antigravity.interfaces.quota import Quota
from antigravity.interfaces.upstreams import Credential, IUpstream
from antigravity.plugins import PluginHost
from antigravity.transport.client import HttpTransport


class AccountCheck(Struct, frozen=True):
    """The result for one account: its quota, that it works, or an error."""

    record: AccountRecord
    works: bool
    quota: Quota | None = None
    error: str = ""


@click.command(cls=Command)
@click.argument("account", required=False, type=ACCOUNT)
@command_options
def refresh(invocation: Invocation, account: str | None) -> None:
    """Check accounts at their upstreams, and fetch their quotas.

    Without ACCOUNT all enabled accounts are checked.  An account whose token has been revoked is
    disabled, with reason and time.
    """
    check_accounts(invocation, account)


@click.command("test", cls=Command)
@click.argument("account", required=False, type=ACCOUNT)
@command_options
def test_accounts(invocation: Invocation, account: str | None) -> None:
    """Check whether ACCOUNT works at its upstream, or ALL enabled accounts, one row each.

    This is the same as "refresh": quotas are fetched, too.
    """
    check_accounts(invocation, None if account in (None, "ALL", "all") else account)


def check_accounts(invocation: Invocation, account: str | None) -> None:
    """Check one account, or all that are enabled, and show the results."""
    files = AccountFiles(invocation.home)
    if account is None:
        records = [record for record in files.load()[0] if record.enabled]
    else:
        records = [files.find(account)]
    settings = invocation.configuration().settings
    credential_store = CredentialStore(
        settings, [structs.replace(each, enabled=True) for each in records]
    )
    for problem in credential_store.problems:
        if problem.key.startswith("upstreams.") or not problem.key:
            note(f"antigravity: {problem}")
    checks = run(
        lambda reactor, transport: _check_all(
            reactor, transport, settings, invocation.home, credential_store, records
        )
    )
    data = {"accounts": [_data(check) for check in checks]}
    text = _table(checks) if checks else "There are no enabled accounts."
    if account is not None and checks and (quota := checks[0].quota):
        text += f"\n\n{_models(quota)}"
    invocation.show(data, text)
    if not all(check.works for check in checks) or (account is not None and not checks):
        click.get_current_context().exit(1)


async def _check_all(
    reactor: Any,
    transport: HttpTransport,
    settings: Settings,
    home: Path,
    credential_store: CredentialStore,
    records: Sequence[AccountRecord],
) -> list[AccountCheck]:
    """Check the accounts, one after the other."""
    disabler = AccountDisabler(
        AccountFiles(home), credential_store.remove, time.time, maybeDeferred
    )
    plugins = PluginHost(settings.plugins)
    plugins.load()
    monitor = QuotaMonitor(
        reactor, KnownQuotas(reactor.seconds), tuple, maybeDeferred, QuotaFiles(home)
    )
    by_id = {record.id: record for record in records}
    checks: list[AccountCheck] = []
    used = {
        name: each
        for name, each in credential_store.upstreams.items()
        if credential_store.credentials(name)
    }
    upstreams = build_upstreams(
        used,
        plugins.registry,
        transport,
        reactor,
        settings.proxy.request_timeout,
        disabler.disable,
    )
    for upstream in upstreams.values():
        for credential in credential_store.credentials(upstream.name):
            if record := by_id.get(credential.id):
                _show_progress(len(checks) + 1, len(records), record)
                checks.append(await _check(reactor, monitor, upstream, credential, record))
    _show_progress(0, 0, None)
    return checks


def _show_progress(number: int, count: int, record: AccountRecord | None) -> None:
    """Say on a terminal which account is being checked, in one line that is overwritten."""
    if not sys.stderr.isatty() or is_quiet():
        return
    text = "" if record is None else f"checking {number}/{count}: {record.label or record.id} …"
    click.echo(f"\r\x1b[K{text}", nl=False, err=True)


async def _check(
    clock: Any,
    monitor: QuotaMonitor,
    upstream: IUpstream,
    credential: Credential,
    record: AccountRecord,
) -> AccountCheck:
    result = await check_account(clock, upstream, credential, monitor.refresh)
    error = "" if result.error is None else result.error.operator_message
    return AccountCheck(record, result.error is None, result.quota, error)


def _data(check: AccountCheck) -> dict[str, Any]:
    record, quota = check.record, check.quota
    data: dict[str, Any] = {
        "id": record.id,
        "label": record.label,
        "works": check.works,
        "error": check.error,
    }
    if quota is not None:
        data |= {
            "tier": quota.tier,
            "plan": quota.plan,
            "models": {
                name: {"remaining": each.fraction, "reset": format_time(each.reset or 0.0) or None}
                for name, each in quota.models.items()
            },
        }
    return data


def _table(checks: Sequence[AccountCheck]) -> str:
    rows = []
    for check in checks:
        quota = check.quota
        rows.append(
            (
                check.record.id,
                check.record.label or "-",
                "works" if check.works else check.error,
                (quota.tier or "-") if quota else "-",
                _lowest(quota) if quota else "-",
            )
        )
    return table(("ID", "LABEL", "STATE", "TIER", "LOWEST QUOTA"), rows)


def _lowest(quota: Quota) -> str:
    """Return the lowest remaining quota, with its model."""
    known = [(each.fraction, name) for name, each in quota.models.items()]
    fractions = [(fraction, name) for fraction, name in known if fraction is not None]
    return "{:.0%} of {}".format(*min(fractions)) if fractions else "-"


def _models(quota: Quota) -> str:
    rows = [
        (
            name,
            "-" if each.fraction is None else f"{each.fraction:.0%}",
            format_time(each.reset or 0.0) or "-",
        )
        for name, each in sorted(quota.models.items())
    ]
    return table(("MODEL", "REMAINING", "RESETS"), rows)
