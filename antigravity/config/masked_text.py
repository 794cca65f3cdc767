"""A configuration file as a text without its secrets, which is put together with them again.

Each secret becomes a placeholder, such as ``"⟨secret 1: sk-…abcd⟩"``.  Its number is the secret's
place in the file, so that a text belongs to one version of the file.
"""

from __future__ import annotations

import re
import tomllib
from typing import Any, Final

from msgspec import Struct, inspect

from antigravity.config.display import without_password
from antigravity.config.errors import ConfigurationError, Problem
from antigravity.config.paths import KeyPath, dotted
from antigravity.config.schema import plain, type_at
from antigravity.config.secret import Secret
from antigravity.config.toml_lines import string_spans
from antigravity.redaction.credentials import CREDENTIALS, SECRET_NAME

#: Tables in which any value may be secret, and those in which the name says whether one is.
_SECRET_TABLES: Final = frozenset({"headers"})
_FOREIGN_TABLES: Final = frozenset({"options", "plugins", "env", "extra"})
_PLACEHOLDER: Final = re.compile(r"""(["'])⟨secret (\d{1,6})(?:: [^⟩"'\n]*)?⟩\1""")
_MARK: Final = "⟨secret "
#: A setting in a comment: its name and its value with quotes.
_IN_COMMENT: Final = re.compile(
    r"""^[ \t]*#+[ \t]*([\w."-]+)[ \t]*=[ \t]*("(?:[^"\\\n]|\\.)+"|'[^'\n]+')""", re.MULTILINE
)


class _Value(Struct, frozen=True):
    """A secret in the text; ``path`` is that of its setting, ``None`` in a comment."""

    begin: int
    end: int
    path: KeyPath | None


class MaskedText(Struct, frozen=True):
    """A text without secrets; ``secrets`` are what its placeholders stand for, with quotes."""

    text: str
    secrets: tuple[str, ...]
    paths: tuple[KeyPath | None, ...]

    def __repr__(self) -> str:
        return f"<MaskedText with {len(self.secrets)} secrets>"


def mask_text(text: str) -> MaskedText:
    """Return the text of a configuration file without its secrets.

    :raises ConfigurationError: if it is not TOML, so that its secrets cannot be found.
    """
    found = _secrets(text)
    parts, place = [], 0
    for number, each in enumerate(found, 1):
        masked = Secret(_plain_value(text[each.begin : each.end])).masked()
        hint = re.sub(r"""[⟩"'\\\n]""", "", masked)
        parts += [text[place : each.begin], f'"{_MARK}{number}: {hint}⟩"']
        place = each.end
    return MaskedText(
        "".join([*parts, text[place:]]),
        tuple(text[each.begin : each.end] for each in found),
        tuple(each.path for each in found),
    )


def restore_text(text: str, masked: MaskedText) -> str:
    """Return a text with the secrets of ``masked`` in the places of its placeholders.

    :raises ConfigurationError: if one stands for no secret, or for one that was moved to a setting
        that is not secret and would be shown.
    """

    def secret(match: re.Match[str]) -> str:
        number = int(match[2])
        if not 0 < number <= len(masked.secrets):
            line = text.count("\n", 0, match.start()) + 1
            message = f"the file has no secret {number}: write the value itself"
            raise ConfigurationError([Problem(message, line=line)])
        used.add(number - 1)
        return masked.secrets[number - 1]

    used: set[int] = set()
    restored = _PLACEHOLDER.sub(secret, text)
    if _MARK in restored:
        line = restored.count("\n", 0, restored.index(_MARK)) + 1
        message = "a placeholder of a secret must be a whole value, with its quotes"
        raise ConfigurationError([Problem(message, line=line)])
    _check_places(restored, {masked.secrets[number] for number in used}, masked)
    return restored


def _check_places(text: str, used: set[str], masked: MaskedText) -> None:
    """Check that secrets are the values of secret settings, or where they were before."""
    before = set(zip(masked.secrets, masked.paths, strict=True))
    try:
        spans = string_spans(text) if used and tomllib.loads(text) else {}
    except tomllib.TOMLDecodeError:
        return  # it is refused anyway, with the line
    for path, (begin, end) in spans.items():
        literal = text[begin:end]
        if literal not in used or _is_secret(path) or (literal, path) in before:
            continue
        if (literal, None) in before and not any(
            each == literal and place is not None for each, place in before
        ):
            continue  # a comment that has become a setting
        message = "a secret may not become a setting that everybody sees: write the value itself"
        line = text.count("\n", 0, begin) + 1
        raise ConfigurationError([Problem(message, key=dotted(path), line=line)])


def _secrets(text: str) -> list[_Value]:
    """Return the secrets in a text, in order."""
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError([Problem(f"this is not valid TOML: {error}")]) from None
    spans = string_spans(text)
    found = [
        _Value(begin, end, path)
        for path, (begin, end) in spans.items()
        if (value := _plain_value(text[begin:end])) and (_is_secret(path) or _shows_secret(value))
    ]
    inside = [(begin, end) for begin, end in spans.values()]
    for match in _IN_COMMENT.finditer(text):
        begin, end = match.span(2)
        if any(first <= begin < last for first, last in inside):
            continue  # a line of a long string
        value = _plain_value(match[2])
        if value and (SECRET_NAME.search(match[1]) or _shows_secret(value)):
            found.append(_Value(begin, end, None))
    return sorted(found, key=lambda each: each.begin)


def _is_secret(path: KeyPath) -> bool:
    """Return whether the value of a setting is secret, whatever it is."""
    names = [str(part) for part in path if not isinstance(part, int)]
    if any(name in _SECRET_TABLES for name in names[:-1]):
        return True
    if any(name in _FOREIGN_TABLES for name in names[:-1]):
        return any(SECRET_NAME.search(name) for name in names)
    kind = type_at(tuple(part for part in path if not isinstance(part, int)))
    inner: Any = None if kind is None else plain(kind)[0]
    if isinstance(inner, inspect.ListType):
        inner = plain(inner.item_type)[0]
    return isinstance(inner, inspect.CustomType) and inner.cls is Secret


def _shows_secret(value: str) -> bool:
    """Return whether a value holds a password, or a credential that is in use."""
    return without_password(value) != value or CREDENTIALS.redact(value) != value


def _plain_value(literal: str) -> str:
    try:
        return str(tomllib.loads(f"value = {literal}")["value"])
    except tomllib.TOMLDecodeError:
        return literal.strip("\"'")
