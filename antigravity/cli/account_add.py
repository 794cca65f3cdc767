"""``antigravity accounts add``: add one account, or all accounts in a text."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click
from msgspec import structs

from antigravity.accounts.account_parser import SkippedItem, kind_of, parse_accounts
from antigravity.accounts.account_saver import AccountSaver, check_kind
from antigravity.accounts.files import AccountError
from antigravity.accounts.records import ACCOUNT_KINDS, AccountRecord
from antigravity.accounts.registration import RegisteredAccount
from antigravity.accounts.upstreams import UnclearAccountError
from antigravity.cli.account_check import check_new
from antigravity.cli.account_view import state, view
from antigravity.cli.completion import UPSTREAM
from antigravity.cli.group import Command
from antigravity.cli.invocation import Invocation, command_options, note
from antigravity.config.secret import Secret
from antigravity.config.settings import Settings, UpstreamSettings

_ONE_KEY: Final = "For a single key, name its KIND: 'antigravity accounts add gemini_api'."


@click.command(cls=Command)
@click.argument("kind", required=False)
@click.argument("secret", required=False)
@click.option("--label", default="", help="A name for the account, such as an e-mail address.")
@click.option(
    "--upstream",
    default="",
    type=UPSTREAM,
    help="The upstream of the account (default: by its kind).",
)
@click.option(
    "--base-url",
    default="",
    help="The address of that upstream, if it has no table in the configuration.",
)
@click.option(
    "--from",
    "source",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    help="Add all accounts in this file: a JSON array, or any text with tokens; - reads "
    "standard input.",
)
@click.option(
    "--no-check",
    is_flag=True,
    help="Save it without asking its upstream whether it works (at most 10 seconds).",
)
@command_options
def add(
    invocation: Invocation,
    kind: str | None,
    secret: str | None,
    label: str,
    upstream: str,
    base_url: str,
    source: str | None,
    no_check: bool,
) -> None:
    """Add an account, or all accounts in a text.

    KIND is codeassist, gemini_api, anthropic, openai or zai.  Without SECRET the command prompts
    for it, and with - it reads standard input, so that the shell's history does not contain it.
    Adding an account again updates it, and enables it if its secret is new.  Its upstream is asked
    first whether it works; an account that it refuses is not saved.

    With --from, or without KIND and with text on standard input, all accounts in the text are
    added; KIND then applies to those whose kind cannot be recognised.
    """
    if source is None and kind is not None:
        record = AccountRecord("", kind, Secret(), upstream, label, base_url=base_url)
        _add_one(invocation, record, secret, check=not no_check)
        return
    if secret is not None:
        raise click.UsageError("SECRET cannot be combined with --from")
    text = _text_of(source)
    if not text.strip() and kind is None and source is None:
        raise click.UsageError(f"Missing argument 'KIND' ({', '.join(ACCOUNT_KINDS)}), or --from.")
    settings = invocation.configuration().settings
    if kind:
        check_kind(kind, settings.upstreams)
    found = parse_accounts(text, kind or "")
    fresh = [
        structs.replace(
            account,
            label=account.label or label,
            upstream=account.upstream or upstream,
            base_url=account.base_url or base_url,
        )
        for account in found.accounts
    ]
    saver = saver_for(invocation, settings)
    saved, skipped = save_all(saver, fresh, quiet=invocation.as_json)
    lines = () if fresh or found.skipped else (_ONE_KEY,)
    report(invocation, saver, saved, [*found.skipped, *skipped], lines=lines)


def saver_for(invocation: Invocation, settings: Settings) -> AccountSaver:
    """Return the writer of accounts for a command."""
    with_file = invocation.config_file is None
    return AccountSaver(invocation.home, settings, note, with_file=with_file)


def save_all(
    saver: AccountSaver, fresh: Sequence[AccountRecord], *, quiet: bool
) -> tuple[list[RegisteredAccount], list[SkippedItem]]:
    """Save accounts with a progress bar on terminals; return the saved and the skipped ones."""
    saved: list[RegisteredAccount] = []
    skipped: list[SkippedItem] = []
    hidden = quiet or not sys.stderr.isatty()
    with click.progressbar(
        fresh, label="Adding accounts", file=sys.stderr, hidden=hidden, show_pos=True
    ) as accounts:
        for account in accounts:
            try:
                saved.append(saver.save(saver.with_upstream(account)))
            except (AccountError, UnclearAccountError) as error:
                what = account.label or f"{account.kind} {account.secret.masked()}"
                skipped.append(SkippedItem(what, str(error)))
    return saved, skipped


def report(
    invocation: Invocation,
    saver: AccountSaver,
    saved: Sequence[RegisteredAccount],
    skipped: Sequence[SkippedItem],
    *,
    more: Mapping[str, Any] | None = None,
    lines: Sequence[str] = (),
    empty_fails: bool = True,
) -> None:
    """Print the added and the skipped accounts, and ``lines``."""
    counts = {
        outcome: sum(each.outcome == outcome for each in saved)
        for outcome in ("added", "updated", "unchanged")
    }
    data: dict[str, Any] = {
        **counts,
        "accounts": [{"outcome": each.outcome, **view(each.record)} for each in saved],
        "skipped": [structs.asdict(each) for each in skipped],
        **(more or {}),
    }
    output = [f"{each.outcome:9}  {_line(each)}" for each in saved]
    output += [f"left out   {each.item}: {each.reason}" for each in skipped]
    summary = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
    if skipped:
        summary = f"{summary}, {len(skipped)} left out" if summary else f"{len(skipped)} left out"
    output.append(f"{summary}." if summary else "The text contains no accounts.")
    invocation.show(data, "\n".join([*output, *lines]))
    warn(saver, sorted({each.record.upstream for each in saved}))
    if not saved and empty_fails:
        click.get_current_context().exit(1)


def warn(saver: AccountSaver, upstreams: Sequence[str]) -> None:
    """Print the problems of upstreams."""
    for upstream in upstreams:
        for problem in saver.problems(upstream):
            note(f"antigravity: {problem}")


def stays_disabled(record: AccountRecord) -> str:
    """Return the reason why an added account is not used; empty if it is used."""
    if record.enabled:
        return ""
    return f"it stays {state(record)}; 'antigravity accounts enable {record.id}' uses it again"


def _line(registered: RegisteredAccount) -> str:
    record = registered.record
    line = f"{record.id} for {record.upstream} ({record.label or record.secret.masked()})"
    if registered.enabled_again:
        return f"{line}, enabled again"
    return line if record.enabled else f"{line}: {stays_disabled(record)}"


def _add_one(
    invocation: Invocation, record: AccountRecord, secret: str | None, *, check: bool
) -> None:
    settings = invocation.configuration().settings
    check_kind(record.kind, settings.upstreams)
    saver = saver_for(invocation, settings)
    given = structs.replace(record, secret=Secret(_read_secret(secret, record.kind)))
    unchecked = ""
    try:
        given = saver.with_upstream(given)
        if check:
            unchecked = check_new(settings, given)
        registered = saver.save(given)
    except UnclearAccountError as error:
        remedy = "name its upstream with --upstream, a known one or a new one"
        raise click.ClickException(f"{error}; {remedy}") from None
    saved = registered.record
    works = None if unchecked or not check else True
    data = {"updated": registered.outcome != "added", "account": view(saved), "works": works}
    did = "Added" if registered.outcome == "added" else "Updated"
    found = " It works." if works else ""
    invocation.show(data, f"{did} {saved.id} for upstream {saved.upstream}.{found}")
    if unchecked:
        note(
            f"antigravity: it could not be checked ({unchecked}); "
            f"'antigravity accounts test {saved.id}' tries again"
        )
    if reason := stays_disabled(saved):
        note(f"antigravity: {reason}")
    if doubt := _doubt(saved, settings.upstreams.get(saved.upstream)):
        note(f"antigravity: {doubt}")
    warn(saver, [saved.upstream])


def _doubt(record: AccountRecord, upstream: UpstreamSettings | None) -> str:
    """Return the reason why an account may belong to another upstream, or ``""``."""
    seen = kind_of(record.secret.reveal())
    elsewhere = record.base_url or (upstream and (upstream.base_url or upstream.base_urls))
    if not seen or elsewhere or record.kind in (seen, "zai") or record.kind not in ACCOUNT_KINDS:
        return ""
    return (
        f"this looks like a secret of kind {seen}, but it was added for {record.upstream}; if that "
        f"is wrong, run 'antigravity accounts remove {record.id}' and 'antigravity accounts add "
        f"{seen}'"
    )


def _text_of(source: str | None) -> str:
    """Return the text of a file or of standard input."""
    if source is not None and source != "-":
        return Path(source).read_text(encoding="utf-8", errors="replace")
    if source is None and sys.stdin.isatty():
        return ""
    return sys.stdin.read()


def _read_secret(given: str | None, kind: str) -> str:
    """Return the secret from the command line, standard input or a prompt."""
    known = ACCOUNT_KINDS.get(kind)
    what = known.secret_name if known else "Secret"
    if given == "-" or (given is None and not sys.stdin.isatty()):
        given = sys.stdin.read()
    elif given is None:
        given = click.prompt(what, hide_input=True)
    return str(given).removesuffix("\n")
