"""Ask upstreams whether new accounts work, before they are saved."""

from __future__ import annotations

import sys
from typing import Any, Final

import click
from msgspec.structs import replace

from antigravity.accounts.records import AccountRecord, credential_id
from antigravity.app.account_checks import CheckResult, check_record
from antigravity.cli.invocation import note
from antigravity.cli.reactor import run
from antigravity.config.settings import Settings
from antigravity.ir.errors import UpstreamCredentialError
from antigravity.plugins import PluginHost

#: Seconds after which the check of a new account ends.
SECONDS: Final = 10.0


def check_new(settings: Settings, record: AccountRecord) -> str:
    """Ask the upstream of a new account whether it works; return why it is not known.

    :raises click.ClickException: if the upstream refuses its secret.
    :raises UnclearAccountError: if no upstream can use it.
    """
    if sys.stderr.isatty():
        note(f"Checking it at {record.upstream}, at most {SECONDS:g} s …")
    plugins = PluginHost(settings.plugins)
    plugins.load()
    named = replace(record, id=credential_id(record.upstream, record.secret.reveal()), enabled=True)

    async def check(reactor: Any, transport: Any) -> CheckResult:
        return await check_record(
            reactor, transport, settings, plugins.registry, named, timeout=SECONDS
        )

    error = run(check).error
    if isinstance(error, UpstreamCredentialError):
        raise click.ClickException(
            f"the account is not saved. {error.operator_message} Check the key and the address "
            f"of {record.upstream}, or save it all the same with --no-check."
        )
    return "" if error is None else error.message
