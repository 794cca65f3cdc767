"""Reads an existing ``~/.antigravity_tools``: its accounts and settings."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct, inspect

from antigravity.accounts.account_parser import SkippedItem
from antigravity.accounts.files import AccountError
from antigravity.accounts.records import AccountRecord
from antigravity.config.addresses import address_problem
from antigravity.config.errors import ConfigurationError
from antigravity.config.keys import KeyFormatError, clean_key
from antigravity.config.paths import KeyPath, dotted
from antigravity.config.raw_configuration import Origin, RawConfiguration
from antigravity.config.schema import plain, type_at
from antigravity.config.secret import Secret
from antigravity.config.validation import validate
from antigravity.ir.json_reader import decode

INDEX: Final = "accounts.json"
ACCOUNTS: Final = "accounts"
SETTINGS: Final = "gui_config.json"

#: Tables with another path here; all others have the same path.
_MOVED: Final[Mapping[KeyPath, KeyPath]] = {("proxy", "experimental"): ("experimental",)}
_HTTP_PROXY: Final[KeyPath] = ("upstreams", "codeassist", "http_proxy")


class _Token(Struct):
    refresh_token: str = ""
    email: str | None = None


class _Account(Struct):
    """The used fields of ``accounts/ID.json``; ``disabled`` is set by a dead token or by hand."""

    token: _Token
    email: str = ""
    created_at: float = 0.0
    disabled: bool = False
    disabled_reason: str | None = None
    disabled_at: float | None = None
    proxy_disabled: bool = False
    proxy_disabled_reason: str | None = None


class _Summary(Struct):
    id: str
    email: str = ""


class _Index(Struct):
    accounts: list[_Summary]


class ToolsHome(Struct, frozen=True):
    """Accounts, settings by their path here (secrets as ``Secret``), and skipped items."""

    accounts: tuple[AccountRecord, ...]
    settings: Mapping[KeyPath, Any]
    skipped: tuple[SkippedItem, ...]


def read_tools_home(directory: Path) -> ToolsHome:
    """Return what can be imported from ``directory``, and what is skipped.

    :raises AccountError: if it is not such a directory.
    """
    if not any((directory / name).exists() for name in (INDEX, ACCOUNTS, SETTINGS)):
        raise AccountError(f"{directory} holds neither {INDEX} nor {SETTINGS}; give its path")
    accounts: list[AccountRecord] = []
    settings: dict[KeyPath, Any] = {}
    skipped: list[SkippedItem] = []
    for found in _accounts(directory):
        if isinstance(found, SkippedItem):
            skipped.append(found)
        else:
            accounts.append(found)
    for each in _settings(directory / SETTINGS):
        if isinstance(each, SkippedItem):
            skipped.append(each)
        else:
            settings[each[0]] = each[1]
    return ToolsHome(tuple(accounts), settings, tuple(skipped))


def _accounts(directory: Path) -> Iterator[AccountRecord | SkippedItem]:
    """Yield the accounts in the order of the index; without an index, those that have a file."""
    paths = {path.stem: path for path in sorted((directory / ACCOUNTS).glob("*.json"))}
    try:
        index = decode((directory / INDEX).read_bytes(), _Index)
    except (OSError, msgspec.DecodeError):
        listed = [_Summary(stem) for stem in paths]
    else:
        listed = index.accounts
    for summary in listed:
        path = paths.pop(summary.id, None)
        if path is None:
            yield SkippedItem(
                f"account {summary.email or summary.id}", f"it has no file in {ACCOUNTS}/"
            )
        else:
            yield _account(path)
    for path in paths.values():
        yield SkippedItem(f"{ACCOUNTS}/{path.name}", f"{INDEX} does not list it")


def _account(path: Path) -> AccountRecord | SkippedItem:
    what = f"{ACCOUNTS}/{path.name}"
    try:
        account = decode(path.read_bytes(), _Account)
    except (OSError, msgspec.DecodeError):
        return SkippedItem(what, "it cannot be read as an account")
    try:
        secret = clean_key(account.token.refresh_token)
    except KeyFormatError as error:
        return SkippedItem(what, f"its refresh token {error}")
    if not secret:
        return SkippedItem(what, "it has no refresh token")
    reason = ""
    if account.disabled:
        reason = account.disabled_reason or "disabled in the imported account"
    elif account.proxy_disabled:
        reason = account.proxy_disabled_reason or "disabled for the proxy in the imported account"
    return AccountRecord(
        "",
        "codeassist",
        Secret(secret),
        label=account.email or account.token.email or "",
        enabled=not reason,
        disabled_reason=reason,
        disabled_at=(account.disabled_at or 0.0) if reason else 0.0,
        created=account.created_at,
    )


def _settings(file: Path) -> Iterator[tuple[KeyPath, Any] | SkippedItem]:
    """Yield the settings that differ from the defaults, and those that do not exist here."""
    try:
        tables = json.loads(file.read_bytes())
    except FileNotFoundError:
        return
    except (OSError, ValueError, RecursionError):
        tables = None
    if not isinstance(tables, dict):
        yield SkippedItem(SETTINGS, "it cannot be read as settings")
        return
    proxy = tables.get("proxy")
    if isinstance(proxy, dict):
        upstream = proxy.pop("upstream_proxy", None)
        if isinstance(upstream, dict) and upstream.get("enabled") and upstream.get("url"):
            yield _http_proxy(str(upstream["url"]))
    yield from _walk((), tables)


def _http_proxy(url: str) -> tuple[KeyPath, Any] | SkippedItem:
    if address_problem(url, may_have_user=True):
        return SkippedItem("proxy.upstream_proxy", "only http:// and https:// proxies can be used")
    return _HTTP_PROXY, url


def _walk(path: KeyPath, table: Mapping[str, Any]) -> Iterator[tuple[KeyPath, Any] | SkippedItem]:
    for key, value in table.items():
        here = (*path, key)
        ours = _ours(here)
        kind = type_at(ours)
        if isinstance(value, dict) and value and not isinstance(kind, inspect.DictType):
            if kind is not None or here in _MOVED or len(here) == 1:
                yield from _walk(here, value)
            else:
                yield SkippedItem(dotted(here), "there is no such setting")
        elif value in (None, "", {}, []):
            continue
        elif kind is None:
            yield SkippedItem(dotted(here), "there is no such setting")
        else:
            yield from _setting(here, ours, value, kind)


def _ours(path: KeyPath) -> KeyPath:
    """Return the path of a setting here."""
    for before, after in _MOVED.items():
        if path[: len(before)] == before:
            return (*after, *path[len(before) :])
    return path


def _setting(
    here: KeyPath, ours: KeyPath, value: Any, kind: inspect.Type
) -> Iterator[tuple[KeyPath, Any] | SkippedItem]:
    """Yield one setting, if its value is valid and not the default."""
    raw = RawConfiguration()
    raw.set(ours, value, Origin(SETTINGS))
    try:
        settings, _ = validate(raw)
    except ConfigurationError as error:
        yield SkippedItem(dotted(here), error.problems[0].message)
        return
    if settings != validate(RawConfiguration())[0]:
        inner, _ = plain(kind)
        secret = isinstance(inner, inspect.CustomType)
        yield ours, Secret(value) if secret else value
