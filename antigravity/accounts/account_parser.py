"""Finds accounts in a text, which is JSON or contains tokens.  Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

from antigravity.accounts.records import AccountRecord
from antigravity.config.keys import KeyFormatError, clean_key
from antigravity.config.secret import Secret

#: Patterns of keys and tokens; the first match determines the kind.
_SHAPES: Final = (
    ("codeassist", re.compile(r"1//[A-Za-z0-9_-]{10,}")),
    ("anthropic", re.compile(r"sk-ant-[A-Za-z0-9_-]{10,}")),
    ("openai", re.compile(r"sk-[A-Za-z0-9_-]{10,}")),
    ("gemini_api", re.compile(r"AIza[A-Za-z0-9_-]{30,}")),
)
_TOKEN: Final = re.compile(
    rf"(?<![A-Za-z0-9_/-])(?:{'|'.join(shape.pattern for _, shape in _SHAPES)})"
)
#: Members in which programs store the secret of an account, best first.
_SECRET_KEYS: Final = ("secret", "refresh_token", "refreshToken", "api_key", "apiKey", "key")
_LABEL_KEYS: Final = ("label", "email", "name")
#: Seconds since 1970 in the year 3000.
_END_OF_TIME: Final = 32_503_680_000


class SkippedItem(Struct, frozen=True):
    """An item that was not imported, and the reason.  Neither reveals a secret."""

    item: str
    reason: str


class ParsedAccounts(Struct, frozen=True):
    """The accounts in a text, without ids and partly without upstreams."""

    accounts: tuple[AccountRecord, ...] = ()
    skipped: tuple[SkippedItem, ...] = ()


def parse_accounts(text: str, kind: str = "") -> ParsedAccounts:
    """Return the accounts in ``text``.

    :param kind: the kind of accounts whose kind the text does not name.
    """
    text = text.strip().removeprefix("\ufeff")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return _distinct(_from_text(text, kind))
    return _distinct(_from_json(data, kind))


def kind_of(secret: str) -> str:
    """Return the kind of account whose pattern a secret matches, empty if there is none."""
    return next((kind for kind, shape in _SHAPES if shape.fullmatch(secret)), "")


def _from_text(text: str, kind: str) -> Iterator[AccountRecord | SkippedItem]:
    for match in _TOKEN.finditer(text):
        token = match.group()
        yield AccountRecord("", kind or kind_of(token), Secret(token))


def _from_json(data: Any, kind: str) -> Iterator[AccountRecord | SkippedItem]:
    if isinstance(data, dict):
        data = data["accounts"] if isinstance(data.get("accounts"), list) else [data]
    items = data if isinstance(data, list) else [data]
    for number, item in enumerate(items, 1):
        if isinstance(item, str):
            item = {"secret": item}
        if isinstance(item, dict):
            yield _account(item, f"entry {number}", kind)
        else:
            yield SkippedItem(f"entry {number}", "it is neither an account nor a token")


def _account(item: Mapping[str, Any], what: str, kind: str) -> AccountRecord | SkippedItem:
    """Return the account that a JSON object describes."""
    token = item.get("token")
    inner = token if isinstance(token, dict) else {}
    label = _text(item, _LABEL_KEYS) or _text(inner, _LABEL_KEYS)
    secret = _text(item, _SECRET_KEYS) or _text(inner, _SECRET_KEYS)
    if not secret and isinstance(token, str):
        secret = token.strip()
    if not secret:
        return SkippedItem(what, "it has no secret")
    if "…" in secret:
        return SkippedItem(what, "its secret is masked; export it with --secrets")
    try:
        secret = clean_key(secret)
    except KeyFormatError as error:
        return SkippedItem(what, f"its secret {error}")
    found = _text(item, ("kind",)) or kind or kind_of(secret)
    if not found and (_text(item, _SECRET_KEYS[1:3]) or _text(inner, _SECRET_KEYS[1:3])):
        found = "codeassist"
    if not found:
        return SkippedItem(what, "its kind is unknown; give it as KIND")
    extra = item.get("extra")
    return AccountRecord(
        "",
        found,
        Secret(secret),
        _text(item, ("upstream",)),
        label,
        item.get("enabled") is not False,
        _text(item, ("disabled_reason",)),
        base_url=_text(item, ("base_url",)),
        extra=extra if isinstance(extra, dict) else {},
        created=_time(item.get("created")),
        disabled_at=_time(item.get("disabled_at")),
    )


def _time(value: object) -> float:
    """Return a time in seconds since the epoch, 0 if the value is not a valid one."""
    valid = isinstance(value, int | float) and 0 < value < _END_OF_TIME
    return float(value) if valid else 0.0  # type: ignore[arg-type]


def _text(item: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    """Return the first text among the members ``keys``, empty if there is none."""
    values = (item.get(key) for key in keys)
    return next((value.strip() for value in values if isinstance(value, str) and value), "")


def _distinct(found: Iterator[AccountRecord | SkippedItem]) -> ParsedAccounts:
    """Return the accounts and skipped items, each secret once."""
    accounts: dict[tuple[str, str], AccountRecord] = {}
    skipped = []
    for each in found:
        if isinstance(each, SkippedItem):
            skipped.append(each)
        else:
            accounts.setdefault((each.upstream, each.secret.reveal()), each)
    return ParsedAccounts(tuple(accounts.values()), tuple(skipped))
