"""``antigravity accounts export`` and ``import``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import msgspec
from msgspec import structs

from antigravity.accounts.account_parser import SkippedItem
from antigravity.accounts.account_saver import AccountSaver
from antigravity.accounts.files import AccountError, AccountFiles
from antigravity.accounts.records import AccountRecord
from antigravity.accounts.registration import RegisteredAccount, find_registered
from antigravity.accounts.tools_home import ToolsHome, read_tools_home
from antigravity.accounts.upstreams import UnclearAccountError
from antigravity.cli.account_add import report, save_all, saver_for
from antigravity.cli.group import Command
from antigravity.cli.invocation import Invocation, command_options, note
from antigravity.config.atomic import write_atomically
from antigravity.config.display import foreign, without_secrets
from antigravity.config.home import prepare_home
from antigravity.config.paths import KeyPath
from antigravity.config.secret import Secret
from antigravity.config.toml_text import toml_text

DEFAULT_SOURCE = "~/.antigravity_tools"
SETTINGS_NAME = "imported.toml"

_SETTINGS_HINT = (
    "These settings are in {file} and have no effect yet; move those you want to antigravity.toml:"
)
_TOKENS_HINT = (
    "A refresh token works only with the OAuth client that created it; if that is not yours, run "
    "'antigravity accounts login' for each account."
)
_OAUTH_HINT = """
# A refresh token works only with the OAuth client that created it.
#[upstreams.codeassist.oauth]
#client_id = ""
#client_secret = ""
"""


@click.command("export", cls=Command)
@click.argument("path", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--secrets", is_flag=True, help="Include the secrets; otherwise they are masked.")
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@command_options
def export_accounts(invocation: Invocation, path: Path | None, secrets: bool, force: bool) -> None:
    """Write all accounts as a JSON array, to PATH or to standard output.

    "antigravity accounts add --from PATH" adds them again, if they were written with --secrets.
    """
    records, broken = AccountFiles(invocation.home).load()
    text = json.dumps([_entry(each, secrets) for each in records], indent=2, ensure_ascii=False)
    if path is None:
        click.echo(text)
    else:
        try:
            write_atomically(path, f"{text}\n".encode(), replace=force)
        except FileExistsError:
            raise AccountError(f"{path} already exists; --force overwrites it") from None
        data = {"file": str(path), "accounts": len(records)}
        invocation.show(data, f"Wrote {len(records)} accounts to {path}.")
    if not secrets and records:
        note(
            "antigravity: the secrets are masked, so that this cannot be imported; --secrets "
            "writes them"
        )
    if secrets:
        note("antigravity: the output contains secrets; everyone who reads it can use the accounts")
    for file in broken:
        note(f"antigravity: skipped {file}")


@click.command("import", cls=Command)
@click.argument("path", default=DEFAULT_SOURCE, type=click.Path(path_type=Path))
@click.option("--upstream", default="", help="The upstream of the accounts.")
@click.option("--replace", is_flag=True, help="Replace the tokens of known accounts.")
@command_options
def import_accounts(invocation: Invocation, path: Path, upstream: str, replace: bool) -> None:
    """Import the accounts and settings in ~/.antigravity_tools.

    PATH is that folder, if it is elsewhere.  Known accounts are not changed without --replace.
    Settings are written to imported.toml in the home directory; they have no effect until you move
    them to antigravity.toml.
    """
    found = read_tools_home(path.expanduser())
    settings = invocation.configuration().settings
    saver = saver_for(invocation, settings)
    fresh: list[AccountRecord] = []
    unchanged: list[RegisteredAccount] = []
    skipped = list(found.skipped)
    for account in found.accounts:
        account = structs.replace(account, upstream=upstream)
        try:
            known = find_registered(saver.with_upstream(account), saver.known())
        except (AccountError, UnclearAccountError):
            known = None  # save() reports why it cannot be used
        if known is None or replace:
            fresh.append(account)
        elif known.secret == account.secret:
            unchanged.append(RegisteredAccount(known, "unchanged"))
        else:
            why = "it is known with another token; --replace replaces that"
            skipped.append(SkippedItem(account.label or known.id, why))
    saved, refused = save_all(saver, fresh, quiet=invocation.as_json)
    file = _write_settings(invocation, found)
    _report(invocation, saver, [*saved, *unchanged], [*skipped, *refused], found, file)


def _report(
    invocation: Invocation,
    saver: AccountSaver,
    saved: list[RegisteredAccount],
    skipped: list[SkippedItem],
    found: ToolsHome,
    file: Path | None,
) -> None:
    shown = {path: _shown(value) for path, value in found.settings.items()}
    more: dict[str, Any] = {
        "settings": _nested(shown),
        "settings_file": None if file is None else str(file),
    }
    lines = []
    if file is not None:
        lines += ["", _SETTINGS_HINT.format(file=file), "", _toml(shown).rstrip()]
    if any(each.record.enabled for each in saved):
        lines += ["", _TOKENS_HINT]
    report(invocation, saver, saved, skipped, more=more, lines=lines, empty_fails=file is None)


def _entry(record: AccountRecord, secrets: bool) -> dict[str, Any]:
    """Return an account as JSON for the export."""
    fields: dict[str, Any] = msgspec.to_builtins(record, enc_hook=_hidden)
    if secrets:
        return {**fields, "secret": record.secret.reveal()}
    return {**fields, "extra": foreign(record.extra)}


def _hidden(value: object) -> object:
    if isinstance(value, Secret):
        return value.masked()
    raise NotImplementedError(type(value).__name__)


def _write_settings(invocation: Invocation, found: ToolsHome) -> Path | None:
    """Write the settings to a new file, and return its path."""
    if not found.settings:
        return None
    bare = {
        path: value.reveal() if isinstance(value, Secret) else value
        for path, value in found.settings.items()
    }
    text = _toml(bare)
    prepare_home(invocation.home, with_file=invocation.config_file is None)
    number = 1
    while True:
        name = SETTINGS_NAME if number == 1 else SETTINGS_NAME.replace(".", f"-{number}.")
        try:
            write_atomically(invocation.home / name, text.encode(), replace=False)
        except FileExistsError:
            number += 1
        else:
            return invocation.home / name


def _nested(values: Mapping[KeyPath, Any]) -> dict[str, Any]:
    tables: dict[str, Any] = {}
    for path, value in values.items():
        here = tables
        for part in path[:-1]:
            here = here.setdefault(str(part), {})
        here[str(path[-1])] = value
    return tables


def _toml(values: Mapping[KeyPath, Any]) -> str:
    """Return settings as TOML that is valid by itself."""
    tables = _nested(values)
    upstreams = tables.get("upstreams", {})
    for name in upstreams:
        upstreams[name] = {"kind": "codeassist", **upstreams[name]}
    inline = frozenset(path for path, value in values.items() if isinstance(value, dict))
    return toml_text(tables, inline=inline) + (_OAUTH_HINT if upstreams else "")


def _shown(value: Any) -> Any:
    if isinstance(value, Secret):
        return value.masked()
    return without_secrets(value) if isinstance(value, str) else value
