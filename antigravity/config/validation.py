"""Convert tables to settings, and report all problems at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import inspect

from antigravity.config.checks import cross_check
from antigravity.config.errors import ConfigurationError, Problem
from antigravity.config.keys import KeyFormatError, clean_header, clean_key
from antigravity.config.known_names import KnownNames
from antigravity.config.paths import KeyPath, dotted
from antigravity.config.raw_configuration import RawConfiguration
from antigravity.config.schema import known_keys, plain, settings_type
from antigravity.config.secret import Secret
from antigravity.config.settings import Settings
from antigravity.config.spelling import closest
from antigravity.config.units import parse_bytes, parse_seconds

_MISSING: Any = object()
_TOO_LARGE = 2**63
_NOUNS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    list: "a list",
    dict: "a table",
}


def validate(
    raw: RawConfiguration, known: KnownNames | None = None
) -> tuple[Settings, tuple[Problem, ...]]:
    """Return the settings in ``raw``, and warnings.

    :param known: the names that plugins have registered, if they are loaded.
    :raises ConfigurationError: with all errors and the warnings known by then.
    """
    checker = _Checker(raw)
    tables = checker.value((), raw.tables, settings_type())
    settings = msgspec.convert(tables, Settings, dec_hook=decode_secret)
    for path, problem in cross_check(settings, known):
        checker.report(path, problem)
    errors = [problem for problem in checker.problems if problem.severity == "error"]
    if errors:
        raise ConfigurationError([*errors, *raw.warnings])
    return settings, (*raw.warnings, *checker.problems)


def decode_secret(kind: type, value: object) -> object:
    """Convert text to a :class:`Secret`, for ``msgspec``."""
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    raise TypeError(f"expected text, got {_noun(value)}")


class _Checker:
    """A checker of tables by the types of the settings; invalid values are reported and omitted."""

    def __init__(self, raw: RawConfiguration) -> None:
        self.raw = raw
        self.problems: list[Problem] = []

    def report(self, path: KeyPath, problem: Problem) -> None:
        """Add ``problem``, with the place of ``path``."""
        origin = self.raw.nearest(path)
        self.problems.append(
            msgspec.structs.replace(problem, key=dotted(path), place=origin.place, line=origin.line)
        )

    def wrong(self, path: KeyPath, message: str, **details: Any) -> Any:
        """Report an error and return the marker of a missing value."""
        self.report(path, Problem(message, **details))
        return _MISSING

    def value(self, path: KeyPath, value: Any, kind: inspect.Type) -> Any:
        """Return ``value`` converted to its type, or the marker of a missing value."""
        inner, unit = plain(kind)
        match inner:
            case inspect.StructType():
                return self.struct(path, value, inner)
            case inspect.DictType():
                return self.table(path, value, inner)
            case inspect.ListType():
                return self.list(path, value, inner)
            case inspect.LiteralType():
                return self.literal(path, value, inner)
            case inspect.IntType() | inspect.FloatType():
                return self.number(path, value, inner, unit)
            case inspect.AnyType():
                return value
            case inspect.BoolType():
                return self.instance(path, value, bool)
            case inspect.CustomType() if unit != "text":
                return self.key(path, value, unit or "key")
            case inspect.StrType() if unit in ("key", "header"):
                return self.key(path, value, unit)
            case _:
                return self.instance(path, value, str)

    def instance(self, path: KeyPath, value: Any, kind: type) -> Any:
        """Check the type of a value."""
        if isinstance(value, kind):
            return value
        return self.wrong(path, f"expected {_NOUNS[kind]}, got {_noun(value)}")

    def key(self, path: KeyPath, value: Any, form: str) -> Any:
        """Check a value that is sent in a header: a key, or the whole header."""
        if self.instance(path, value, str) is _MISSING:
            return _MISSING
        try:
            clean = clean_header(str(path[-1]), value) if form == "header" else clean_key(value)
        except KeyFormatError as error:
            return self.wrong(path, f"it {error}")
        if clean != value:
            message = "white space, quotes or 'Bearer' around it are ignored: remove them"
            self.report(path, Problem(message, severity="warning"))
        return clean

    def struct(self, path: KeyPath, value: Any, kind: inspect.StructType) -> Any:
        """Check a table with fixed keys."""
        if self.instance(path, value, dict) is _MISSING:
            return _MISSING
        fields = {field.name: field for field in kind.fields}
        clean: dict[str, Any] = {}
        for name, item in value.items():
            if name in fields:
                clean[name] = self.value((*path, name), item, fields[name].type)
            else:
                suggestion = _key_meant(path, name, list(fields))
                allowed = () if suggestion else tuple(fields)
                self.wrong(
                    (*path, name),
                    "there is no such setting",
                    allowed=allowed,
                    suggestion=suggestion,
                )
        for field in kind.fields:
            if field.required and field.name not in value:
                self.wrong((*path, field.name), "this setting is missing")
            if field.required and clean.get(field.name, _MISSING) is _MISSING:
                return _MISSING
        return {name: item for name, item in clean.items() if item is not _MISSING}

    def table(self, path: KeyPath, value: Any, kind: inspect.DictType) -> Any:
        """Check a table with keys of the user's choice."""
        if self.instance(path, value, dict) is _MISSING:
            return _MISSING
        checked = {
            name: self.value((*path, name), item, kind.value_type) for name, item in value.items()
        }
        return {name: item for name, item in checked.items() if item is not _MISSING}

    def list(self, path: KeyPath, value: Any, kind: inspect.ListType) -> Any:
        """Check a list, item by item."""
        if self.instance(path, value, list) is _MISSING:
            return _MISSING
        checked = [
            self.value((*path, index), item, kind.item_type) for index, item in enumerate(value)
        ]
        return [item for item in checked if item is not _MISSING]

    def literal(self, path: KeyPath, value: Any, kind: inspect.LiteralType) -> Any:
        """Check a choice."""
        choices = tuple(map(str, kind.values))
        if not isinstance(value, str):
            message = f"expected one of the allowed values, got {_noun(value)}"
            return self.wrong(path, message, allowed=choices)
        if value in choices:
            return value
        return self.wrong(
            path,
            f"{value!r} is not allowed",
            allowed=choices,
            suggestion=closest(value, choices),
        )

    def number(
        self,
        path: KeyPath,
        value: Any,
        kind: inspect.IntType | inspect.FloatType,
        unit: str,
    ) -> Any:
        """Check a number; sizes and times can be text with a unit."""
        expected, given = _valid_numbers(kind, unit), value
        if isinstance(value, str) and unit:
            value = parse_bytes(value) if unit == "bytes" else parse_seconds(value)
        whole = isinstance(kind, inspect.IntType)
        fits = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
        if not fits:
            odd = "other text" if isinstance(given, str) and unit else _noun(given)
            return self.wrong(path, f"expected {expected}, got {odd}")
        above = kind.ge is not None and value < kind.ge
        below = kind.le is not None and value > kind.le
        if above or below or not abs(value) < _TOO_LARGE:
            return self.wrong(path, f"expected {expected}, got {given}")
        return value


def _key_meant(path: KeyPath, name: str, siblings: Sequence[str]) -> str:
    """Return the setting that was probably meant, in the same table or elsewhere."""
    if near := closest(name, siblings):
        return near
    lower = name.lower()
    elsewhere = [key for key in known_keys() if key[-1] == lower and "*" not in key]
    return dotted(elsewhere[0]) if len(elsewhere) == 1 else ""


def _noun(value: object) -> str:
    """Return a noun for the type of a value; the value itself may be secret."""
    return _NOUNS.get(type(value), "a date or time")


def _valid_numbers(kind: inspect.IntType | inspect.FloatType, unit: str) -> str:
    """Return a description of the valid numbers."""
    if unit == "bytes":
        return 'bytes as a whole number, or text such as "100 MiB"'
    if unit == "seconds":
        seconds = "seconds" if kind.le is None else f"{kind.ge:.10g} to {kind.le:.10g} seconds"
        return f'{seconds} as a number, or text such as "90s", "10m" or "2h"'
    text = "a whole number" if isinstance(kind, inspect.IntType) else "a number"
    if kind.le is not None:
        return f"{text} from {kind.ge or 0} to {kind.le}"
    return f"{text} of {kind.ge} or more" if kind.ge is not None else text
