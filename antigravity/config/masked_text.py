"""A configuration file as a text without its secrets, which is put together with them again.

Each secret becomes a placeholder, such as ``"⟨secret 1: sk-…abcd⟩"``.  Its number is the secret's
place in the file, so that a text belongs to one version of the file.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, Final

from msgspec import Struct, inspect

from antigravity.config.display import without_secrets
from antigravity.config.errors import ConfigurationError, Problem
from antigravity.config.home import master_text
from antigravity.config.paths import KeyPath, dotted
from antigravity.config.schema import plain, type_at
from antigravity.config.secret import Secret
from antigravity.config.toml_lines import string_spans
from antigravity.config.toml_parser import parse_toml, twice_hint
from antigravity.redaction.credentials import CREDENTIALS, SECRET_NAME
from antigravity.redaction.shapes import secret_arguments

#: Tables in which any value may be secret, and those in which the name says whether one is.
_SECRET_TABLES: Final = frozenset({"headers"})
_FOREIGN_TABLES: Final = frozenset({"options", "plugins", "env", "extra"})
_PLACEHOLDER: Final = re.compile(r"""(["'])⟨secret (\d{1,6})(?:: [^⟩"'\n]*)?⟩\1""")
_MARK: Final = "⟨secret "
#: The strings and comments of a text; a ``#`` within a string begins no comment.
_STRING_OR_COMMENT: Final = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*"{3,5}'
    r"|'''(?:[^']|'(?!''))*'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'"
    r"|(?P<comment>#[^\n]*)",
    re.DOTALL,
)
#: The name of a setting, or of a header, in a comment, and what stands before its value.
_NAME: Final = re.compile(r"""([\w.-]+)["']?[ \t]*(?:=|:(?!//))[ \t]*""")
_QUOTED: Final = re.compile(r"""("(?:[^"\\\n]|\\.)+"|'[^'\n]+')""")
#: A value without quotes; words have fewer characters, and no digits.
_BARE: Final = re.compile(r"""(?=[^\s"',;]*[0-9])[^\s"',;#]{8,}|[^\s"',;#]{20,}""")
_WORD: Final = re.compile(r"""[^\s"',;]{8,}""")


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
    found = _secrets(text, shows_secret)
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
    """Check that no secret that was put into a text would be shown with it.

    A name, a comment, and a part of another string are such places, too.
    """
    try:
        # not by what is in use now: it would be shown when it is in use no more
        found = _secrets(text, lambda value: without_secrets(value) != value) if used else []
    except ConfigurationError:
        return  # it is refused anyway, with the line
    hidden = [(each.begin, each.end) for each in found]
    for literal in sorted(used):
        shown = [
            place
            for place in _places(text, literal)
            if not any(begin <= place < end for begin, end in hidden)
        ]
        if len(shown) > masked.text.count(literal):
            message = "a secret may not be where everybody sees it: write the value itself"
            line = text.count("\n", 0, shown[-1]) + 1
            raise ConfigurationError([Problem(message, key=_key_at(text, shown[-1]), line=line)])


def _places(text: str, part: str) -> Iterator[int]:
    """Yield where a part of a text begins, each time."""
    place = text.find(part)
    while place >= 0:
        yield place
        place = text.find(part, place + len(part))


def _key_at(text: str, place: int) -> str:
    """Return the setting whose value is at a place, ``""`` if there is none."""
    spans = string_spans(text).items()
    return next((dotted(path) for path, (begin, end) in spans if begin <= place < end), "")


def _secrets(text: str, shows_secret: Callable[[str], bool]) -> list[_Value]:
    """Return the secrets in a text, in order.

    :param shows_secret: returns whether a value is one, whatever its name is.
    """
    try:
        parse_toml(text)
    except tomllib.TOMLDecodeError as error:
        message = f"this is not valid TOML: {error}{twice_hint(error, text)}"
        raise ConfigurationError([Problem(message)]) from None
    spans = string_spans(text)
    arguments = _secret_arguments(text, spans)
    found = [
        _Value(begin, end, path)
        for path, (begin, end) in spans.items()
        if (value := _plain_value(text[begin:end]))
        and (is_secret(path) or path in arguments or shows_secret(value))
    ]
    ends = {text.count("\n", 0, each.end) for each in found}
    shipped = _shipped_comments()
    for match in _STRING_OR_COMMENT.finditer(text):
        if match["comment"] is not None and match["comment"].strip() not in shipped:
            line = text.count("\n", 0, match.start())
            found += _in_comment(
                text, match.start(), match.end(), shows_secret, after_secret=line in ends
            )
    return sorted(found, key=lambda each: each.begin)


@cache
def _shipped_comments() -> frozenset[str]:
    """Return the comments of the file that a new home gets, which hold no secret."""
    return frozenset(
        line.strip() for line in master_text().splitlines() if line.lstrip().startswith("#")
    )


def _secret_arguments(text: str, spans: Mapping[KeyPath, tuple[int, int]]) -> set[KeyPath]:
    """Return the paths of the arguments of programs that hold a secret."""
    lists: dict[KeyPath, list[KeyPath]] = {}
    for path in spans:
        if len(path) > 1 and path[-2] == "args":
            lists.setdefault(path[:-1], []).append(path)
    found: set[KeyPath] = set()
    for paths in lists.values():
        values = [_plain_value(text[slice(*spans[path])]) for path in paths]
        found.update(
            path for path, secret in zip(paths, secret_arguments(values), strict=True) if secret
        )
    return found


def _in_comment(
    text: str, begin: int, end: int, shows_secret: Callable[[str], bool], *, after_secret: bool
) -> Iterator[_Value]:
    """Yield what may be a secret in a comment.

    That are values after names of secrets, what looks like a secret, and what is quoted in the line
    of a secret.
    """
    place = begin
    named = after_secret
    while place < end:
        name = _NAME.match(text, place, end)
        if name is not None:
            named = named or SECRET_NAME.search(name[1]) is not None
            bare = _BARE.match(text, name.end(), end) if SECRET_NAME.search(name[1]) else None
            if bare is not None:
                yield _Value(bare.start(), bare.end(), None)
            place = name.end() if bare is None else bare.end()
            continue
        quoted = _QUOTED.match(text, place, end)
        if quoted is not None:
            if named or shows_secret(_plain_value(quoted[0])):
                yield _Value(quoted.start(), quoted.end(), None)
            place = quoted.end()
            continue
        word = _WORD.match(text, place, end)
        if word is not None and shows_secret(word[0]):
            yield _Value(word.start(), word.end(), None)
            place = word.end()
            continue
        place += 1


def is_secret(path: KeyPath) -> bool:
    """Return whether the value of a setting is secret, whatever it is."""
    names = [str(part) for part in path if not isinstance(part, int)]
    if any(name in _SECRET_TABLES for name in names[:-1]):
        return True
    kind = type_at(tuple(part for part in path if not isinstance(part, int)))
    inner: Any = None if kind is None else plain(kind)[0]
    if isinstance(inner, inspect.ListType):
        inner = plain(inner.item_type)[0]
    if isinstance(inner, inspect.CustomType) and inner.cls is Secret:
        return True
    is_foreign = any(name in _FOREIGN_TABLES for name in names[:-1])
    return is_foreign and any(SECRET_NAME.search(name) for name in names)


def shows_secret(value: str) -> bool:
    """Return whether a value holds a password, a credential that is in use, or what looks so."""
    return without_secrets(value) != value or CREDENTIALS.redact(value) != value


def _plain_value(literal: str) -> str:
    try:
        return str(tomllib.loads(f"value = {literal}")["value"])
    except tomllib.TOMLDecodeError:
        return literal.strip("\"'")
