"""``antigravity keys …``: the keys that clients send to the gateway."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, get_args
from urllib.parse import quote

import click
import msgspec

from antigravity.cli.group import Group
from antigravity.cli.invocation import Invocation, command_options, note
from antigravity.cli.key_store import change_keys, import_keys, load_keys
from antigravity.cli.terminal import table
from antigravity.interfaces.keys import Endpoint, KeyChange, NewKey
from antigravity.keys.records import KeyRecord, view_of
from antigravity.keys.stored_keys import StoredKeys

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

#: Options of ``add`` and ``change``: the rule that each sets, its type, and its help.
_NUMBERS = (
    ("--rpm", "requests_per_minute", "Requests per minute."),
    ("--tpm", "tokens_per_minute", "Tokens per minute."),
    ("--parallel", "parallel_requests", "Requests at the same time."),
    ("--max-addresses", "max_addresses", "The most client addresses within 24 hours."),
)
_LISTS = (
    ("--models", "models", "Models that it may request, separated by commas; * is a wildcard."),
    ("--upstreams", "upstreams", "Upstreams that may serve it, separated by commas."),
    (
        "--endpoints",
        "endpoints",
        f"What it may use, separated by commas: {', '.join(get_args(Endpoint))}.",
    ),
    ("--budget", "budgets", "US dollars, such as 5.00/day,50/month; also /week and /total."),
    ("--addresses", "addresses", "Networks of clients, such as 10.0.0.0/8, separated by commas."),
)
_TEXTS = (
    ("--expires", "expires", "When it expires: a duration such as 30d, a date, or never."),
    ("--time-zone", "time_zone", "The time zone of times and budgets, such as Europe/Berlin."),
    ("--unpriced", "unpriced", "With a budget: refuse or allow models whose price is unknown."),
)


def _rule_options(function: F) -> F:
    """Add an option for each rule; they arrive in ``rules`` by name."""
    function = click.option(
        "--times",
        multiple=True,
        help="When it may be used, such as 'mon-fri 08:00-18:00'; may be repeated.",
    )(function)
    for flag, name, text in reversed((*_LISTS, *_TEXTS)):
        function = click.option(flag, name, help=text)(function)
    for flag, name, text in reversed(_NUMBERS):
        function = click.option(flag, name, type=click.IntRange(min=0), help=text)(function)
    return function


@click.group(cls=Group)
def keys() -> None:
    """Make, list and change the keys that clients send to the gateway.

    KEY is an id, the beginning of an id, or a label.
    """


@keys.command()
@click.argument("label")
@_rule_options
@command_options
def add(invocation: Invocation, /, label: str, **options: Any) -> None:
    """Make a key for a client, named LABEL, and print its secret, which is not stored.

    Without options the key may do everything that proxy.api_key may.
    """
    body = {"label": label, **_rules(options)}
    new = _typed(body, NewKey)
    data = change_keys(invocation, "POST", "", body, lambda editor: editor.add(new))
    _show_secret(invocation, data)


@keys.command("list")
@command_options
def list_keys(invocation: Invocation) -> None:
    """List all keys with their rules; secrets are not stored."""
    stored = _load(invocation)
    views = [msgspec.to_builtins(view_of(each, time.time())) for each in stored.records]
    rows = [
        (
            each["id"],
            each["label"],
            each["hint"],
            each["state"],
            each["expires"] or "never",
            _limits(each),
        )
        for each in views
    ]
    head = ("ID", "LABEL", "SECRET", "STATE", "EXPIRES", "RULES")
    empty = "There are no keys. Make one with 'antigravity keys add LABEL'."
    invocation.show(
        {"keys": views, "damaged": list(stored.damaged)}, table(head, rows) if rows else empty
    )
    for problem in stored.damaged:
        note(f"antigravity: {problem}")


@keys.command()
@click.argument("key")
@command_options
def show(invocation: Invocation, key: str) -> None:
    """Show one KEY without its secret."""
    _show(invocation, view_of(_find(invocation, key), time.time()))


@keys.command()
@click.argument("key")
@click.option("--label", help="Another label.")
@_rule_options
@command_options
def change(invocation: Invocation, /, key: str, label: str | None, **options: Any) -> None:
    """Change rules of KEY; 0 or an empty text removes a rule."""
    body = _rules(options)
    if label is not None:
        body["label"] = label
    if not body:
        raise click.UsageError("Name what to change, such as --rpm 60.")
    wanted = _typed(body, KeyChange)
    identifier = _find(invocation, key).id
    path = f"/{quote(identifier, safe='')}"
    change_keys(invocation, "PATCH", path, body, lambda editor: editor.change(identifier, wanted))
    _show(invocation, view_of(_find(invocation, identifier), time.time()))


@keys.command()
@click.argument("key")
@command_options
def enable(invocation: Invocation, key: str) -> None:
    """Enable KEY."""
    _switch(invocation, key, True)


@keys.command()
@click.argument("key")
@command_options
def disable(invocation: Invocation, key: str) -> None:
    """Disable KEY without removing it."""
    _switch(invocation, key, False)


@keys.command()
@click.argument("key")
@click.option("--grace", default="24h", help="How long the old secret stays valid; 0 ends it now.")
@command_options
def rotate(invocation: Invocation, key: str, grace: str) -> None:
    """Give KEY a new secret, and print it."""
    identifier = _find(invocation, key).id
    path = f"/{quote(identifier, safe='')}/rotate"
    data = change_keys(
        invocation, "POST", path, {"grace": grace}, lambda each: each.rotate(identifier, grace)
    )
    _show_secret(invocation, data)


@keys.command()
@click.argument("key")
@command_options
def remove(invocation: Invocation, key: str) -> None:
    """Remove KEY."""
    identifier = _find(invocation, key).id
    path = f"/{quote(identifier, safe='')}"
    change_keys(invocation, "DELETE", path, None, lambda editor: editor.remove(identifier))
    invocation.show({"removed": identifier}, f"Removed {identifier}.")


@keys.command("import")
@command_options
def import_home_keys(invocation: Invocation) -> None:
    """Move the keys of keys.json, and what they have spent, into the database.

    Clients keep their keys.  A gateway that starts does so by itself if the database has no keys.
    """
    done = import_keys(invocation)
    known = f"; it had {done.known} already" if done.known else ""
    invocation.show(
        {"added": done.added, "known": done.known},
        f"Moved {done.added} keys into the database{known}.",
    )


def _switch(invocation: Invocation, key: str, enabled: bool) -> None:
    identifier = _find(invocation, key).id
    path = f"/{quote(identifier, safe='')}/{'enable' if enabled else 'disable'}"
    change_keys(invocation, "POST", path, None, lambda editor: editor.switch(identifier, enabled))
    record = _find(invocation, identifier)
    data = {"key": msgspec.to_builtins(view_of(record, time.time()))}
    invocation.show(data, f"{'Enabled' if enabled else 'Disabled'} {identifier}.")


def _rules(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the rules that options name, as JSON."""
    rules: dict[str, Any] = {}
    for _, name, _ in _NUMBERS:
        if options[name] is not None:
            rules[name] = options[name] or None
    for _, name, _ in _LISTS:
        if options[name] is not None:
            rules[name] = [each.strip() for each in options[name].split(",") if each.strip()]
    for _, name, _ in _TEXTS:
        if options[name] is not None:
            rules[name] = options[name]
    if options["times"]:
        rules["times"] = [each for each in options["times"] if each.strip()]
    return rules


def _typed(body: Mapping[str, Any], kind: type[T]) -> T:
    try:
        return msgspec.convert(body, kind)
    except msgspec.ValidationError as error:
        raise click.UsageError(str(error)) from None


def _load(invocation: Invocation) -> StoredKeys:
    stored = load_keys(invocation)
    if stored.problem:
        raise click.ClickException(stored.problem)
    return stored


def _find(invocation: Invocation, key: str) -> KeyRecord:
    try:
        return _load(invocation).find(key)
    except LookupError as error:
        raise click.ClickException(str(error.args[0])) from None


def _show(invocation: Invocation, view: Any) -> None:
    data = msgspec.to_builtins(view)
    width = max(map(len, data))
    lines = [f"{name:{width}}  {_text(value)}" for name, value in data.items()]
    invocation.show(data, "\n".join(lines))


def _show_secret(invocation: Invocation, data: Mapping[str, Any]) -> None:
    text = (
        f"Key {data['label']} ({data['id']}); store its secret now, it is not shown again:\n\n"
        f"{data['key']}"
    )
    invocation.show(data, text)


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value in (None, "") else str(value)


def _limits(view: Mapping[str, Any]) -> str:
    """Return the rules of a key in few words."""
    parts = [
        f"{view[name]} {unit}"
        for name, unit in (
            ("requests_per_minute", "requests/min"),
            ("tokens_per_minute", "tokens/min"),
            ("parallel_requests", "parallel"),
        )
        if view[name] is not None
    ]
    parts += [f"${each}" for each in view["budgets"]]
    parts += [
        f"{name} {' '.join(view[name])}"
        for name in ("models", "upstreams", "endpoints", "addresses", "times")
        if view[name]
    ]
    return ", ".join(parts) or "none"
