"""``antigravity accounts …``."""

from __future__ import annotations

import datetime
import re
import sys
import time
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

import click
from msgspec import structs

from antigravity.accounts.credentials import CredentialBook
from antigravity.accounts.files import AccountError, AccountFiles
from antigravity.accounts.records import ACCOUNT_KINDS, AccountRecord, credential_id
from antigravity.accounts.upstreams import all_upstreams, check_fit, is_at, upstream_of
from antigravity.cli.common import Invocation, command_options, note, table
from antigravity.config.checks import address_problem, name_problem
from antigravity.config.display import foreign
from antigravity.config.home import FILE_NAME, prepare_home
from antigravity.config.secret import Secret
from antigravity.config.settings import UpstreamSettings
from antigravity.config.spelling import closest


@click.group()
def accounts() -> None:
    """Add, list and change accounts: the keys and tokens for upstreams.

    An ACCOUNT is given by its id, the beginning of its id, or its label.
    """


@accounts.command()
@click.argument("kind")
@click.argument("secret", required=False)
@click.option("--label", default="", help="A name for it, such as an e-mail address.")
@click.option("--upstream", default="", help="The upstream that it is for, if not its kind's.")
@click.option("--base-url", default="", help="Where that upstream is, if no table says so.")
@command_options
def add(
    invocation: Invocation, kind: str, secret: str | None, label: str, upstream: str, base_url: str
) -> None:
    """Add an account of KIND: codeassist, gemini_api, anthropic, openai or zai.

    Without SECRET it is asked for, and with - it is read from standard input: so it stays out
    of the shell's history.  Adding a known account again updates and enables it.
    """
    settings = invocation.configuration().settings
    _check_kind(kind, settings.upstreams.values())
    if base_url and (problem := address_problem(base_url)):
        raise click.ClickException(f"--base-url: {problem}")
    files = AccountFiles(invocation.home)
    records, _ = files.load()
    text = _read_secret(secret, kind)
    record = AccountRecord("", kind, Secret(text), upstream, label, base_url=base_url)
    if base_url and not upstream:
        record = structs.replace(record, upstream=_upstream_at(record, settings.upstreams))
    name = upstream_of(record, settings.upstreams)
    if problem := name_problem(name):
        raise click.ClickException(f"--upstream: {problem}")
    identifier = credential_id(name, text)
    others = [other for other in records if other.id != identifier]
    existing = all_upstreams(settings, others).get(name)
    if existing is not None:
        check_fit(record, name, existing)
    known = next((other for other in records if other.id == identifier), None)
    record = structs.replace(
        known or record,
        id=identifier,
        upstream=name,
        label=label or (known.label if known else ""),
        base_url=base_url or (known.base_url if known else ""),
        enabled=True,
        disabled_reason="",
        created=known.created if known else time.time(),
    )
    if prepare_home(invocation.home, with_file=invocation.config_file is None):
        note(f"Made {invocation.home / FILE_NAME} with a new API key for your clients.")
    files.save(record)
    did = "Updated" if known else "Added"
    data = {"updated": known is not None, "account": view(record)}
    invocation.show(data, f"{did} {record.id} for upstream {name}.")
    for warning in CredentialBook(settings, [*others, record]).problems:
        if warning.key.startswith(f"upstreams.{name}."):
            note(f"antigravity: {warning}")


@accounts.command("list")
@command_options
def list_accounts(invocation: Invocation) -> None:
    """List all accounts, secrets masked."""
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
            _state(record),
        )
        for record in records
    ]
    head = ("ID", "KIND", "UPSTREAM", "LABEL", "SECRET", "STATE")
    empty = "There are no accounts; 'antigravity accounts add gemini_api' adds one."
    invocation.show(data, table(head, rows) if rows else empty)
    for file in broken:
        note(f"antigravity: skipped {file}")


@accounts.command()
@click.argument("account")
@command_options
def show(invocation: Invocation, account: str) -> None:
    """Show one ACCOUNT, its secret masked."""
    data = view(AccountFiles(invocation.home).find(account))
    width = max(map(len, data))
    lines = [f"{name:{width}}  {_written(value)}" for name, value in data.items()]
    invocation.show(data, "\n".join(lines))


@accounts.command()
@click.argument("account")
@command_options
def remove(invocation: Invocation, account: str) -> None:
    """Remove ACCOUNT and its file."""
    files = AccountFiles(invocation.home)
    identifier = account if files.has(account) else files.find(account).id
    files.remove(identifier)
    invocation.show({"removed": identifier}, f"Removed {identifier}.")


@accounts.command()
@click.argument("account")
@command_options
def enable(invocation: Invocation, account: str) -> None:
    """Use ACCOUNT again."""
    _switch(invocation, account, enabled=True, reason="")


@accounts.command()
@click.argument("account")
@click.option("--reason", default="disabled by hand", help="Why, for the list.")
@command_options
def disable(invocation: Invocation, account: str, reason: str) -> None:
    """Keep ACCOUNT, but don't use it."""
    _switch(invocation, account, enabled=False, reason=reason)


def view(record: AccountRecord) -> dict[str, Any]:
    """Return what may be shown of an account."""
    created = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
    return {
        "id": record.id,
        "kind": record.kind,
        "upstream": record.upstream,
        "label": record.label,
        "secret": record.secret.masked(),
        "enabled": record.enabled,
        "disabled_reason": record.disabled_reason,
        "created": created.isoformat(timespec="seconds") if record.created else "",
        "base_url": record.base_url,
        "extra": foreign(record.extra),
    }


def _switch(invocation: Invocation, account: str, *, enabled: bool, reason: str) -> None:
    files = AccountFiles(invocation.home)
    record = structs.replace(files.find(account), enabled=enabled, disabled_reason=reason)
    files.save(record)
    did = "Enabled" if enabled else "Disabled"
    invocation.show({"account": view(record)}, f"{did} {record.id}.")


def _written(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) if value else "-"


def _state(record: AccountRecord) -> str:
    if record.enabled:
        return "enabled"
    return f"disabled ({record.disabled_reason})" if record.disabled_reason else "disabled"


def _check_kind(kind: str, upstreams: Iterable[UpstreamSettings]) -> None:
    """Refuse a kind that nothing here can use."""
    kinds = [*ACCOUNT_KINDS, *sorted({each.kind for each in upstreams} - set(ACCOUNT_KINDS))]
    if kind not in kinds:
        near = closest(kind, kinds)
        hint = f"; did you mean {near!r}?" if near else ""
        message = f"there is no kind of account {kind!r}; allowed: {', '.join(kinds)}{hint}"
        raise click.ClickException(message)


def _upstream_at(record: AccountRecord, upstreams: Mapping[str, UpstreamSettings]) -> str:
    """Return the name of the upstream at the record's address; a new one is named after it."""
    for name, upstream in upstreams.items():
        if upstream.kind == record.upstream_kind and is_at(upstream, record.base_url):
            return name
    if record.kind == "zai":
        return record.kind
    return re.sub(r"[^a-z0-9]+", "-", (urlsplit(record.base_url).hostname or "").lower()).strip("-")


def _read_secret(given: str | None, kind: str) -> str:
    """Return the secret from the command line, standard input or a prompt."""
    known = ACCOUNT_KINDS.get(kind)
    what = known.secret_name if known else "Secret"
    if given == "-" or (given is None and not sys.stdin.isatty()):
        given = sys.stdin.read()
    elif given is None:
        given = click.prompt(what, hide_input=True)
    text = str(given).strip()
    if not text:
        raise AccountError(f"the {what} is empty")
    if re.search(r"[\s\x00-\x1f\x7f]", text):
        raise AccountError(f"the {what} must not hold spaces or line breaks")
    return text
