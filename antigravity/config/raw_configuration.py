"""Merge the configuration file, environment variables and command line.

Only the syntax of the file is checked here; see :mod:`antigravity.config.validation`.
"""

from __future__ import annotations

import copy
import errno
import re
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct, inspect

from antigravity.config.errors import ConfigurationError, Problem
from antigravity.config.home import HOME_VARIABLE
from antigravity.config.paths import KeyPath
from antigravity.config.schema import plain, settings_type, type_at
from antigravity.config.toml_lines import key_lines
from antigravity.config.toml_parser import parse_toml, twice_hint

PREFIX = "ANTIGRAVITY_"
#: The API key that commands send to the gateway.
KEY_VARIABLE = "ANTIGRAVITY_KEY"
#: Variables that are not settings.
OTHER_VARIABLES = frozenset({HOME_VARIABLE, KEY_VARIABLE, "ANTIGRAVITY_TRACEBACK"})
COMMAND_LINE = "command line"

_SYNTAX_LINE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")
#: The largest file to read, in bytes.
_LARGEST = 16 * 1024 * 1024
_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


class Origin(Struct, frozen=True):
    """The place where a value was set."""

    place: str
    line: int | None = None

    def __str__(self) -> str:
        return f"{self.place}:{self.line}" if self.line else self.place


class RawConfiguration:
    """Unchecked tables, and the origin of each value.

    Later layers win: the file, then the environment, then the command line.

    :param content: what to read instead of the content of ``file``.
    """

    def __init__(self, file: Path | None = None, content: bytes | None = None) -> None:
        self.tables: dict[str, Any] = {}
        self.warnings: list[Problem] = []
        #: Whether a file was read, and whether it contained no settings.
        self.has_file = file is not None
        self.is_blank = True
        self._file = str(file) if file else ""
        self._lines: dict[KeyPath, int] = {}
        self._overlay: dict[KeyPath, Origin] = {}
        if file is not None:
            self._read(file, content)

    def _read(self, file: Path, content: bytes | None) -> None:
        try:
            text = (read_file(file) if content is None else content).decode("utf-8-sig")
            self.tables = parse_toml(text)
        except FileNotFoundError:
            problem = Problem(_missing(file), place=str(file))
            raise ConfigurationError([problem]) from None
        except OSError as error:
            reason = error.strerror or "it cannot be read"
            raise ConfigurationError([Problem(reason, place=str(file))]) from None
        except UnicodeDecodeError as error:
            line = error.object[: error.start].count(b"\n") + 1
            problem = Problem("the file is not UTF-8 text", place=str(file), line=line)
            raise ConfigurationError([problem]) from None
        except tomllib.TOMLDecodeError as error:
            raise ConfigurationError([_syntax_problem(error, str(file), text)]) from None
        self.is_blank = not _has_values(self.tables)
        self._lines = key_lines(text)

    def read_environment(self, environ: Mapping[str, str]) -> None:
        """Override settings with those in ``environ``."""
        for name in sorted(environ):
            if not name.startswith(PREFIX) or name in OTHER_VARIABLES:
                continue
            parts = name.removeprefix(PREFIX).lower().split("__")
            if len(parts) == 1 and type_at((parts[0],)) is None:
                self.warnings.append(
                    Problem(
                        "this environment variable is not a setting and has no effect",
                        place=name,
                        suggestion=_variable_meant(parts[0]),
                        severity="warning",
                    )
                )
                continue
            path = self._resolved(parts)
            value = parse_text(environ[name], type_at(path))
            if value is not None:
                self.set(path, value, Origin(f"environment variable {name}"))

    def read_overrides(self, overrides: Mapping[str, object]) -> None:
        """Override settings with those of the command line, by dotted name; ``None`` is ignored."""
        for name, value in overrides.items():
            path: KeyPath = tuple(name.split("."))
            if isinstance(value, str):
                value = parse_text(value, type_at(path))
            if value is not None:
                self.set(path, value, Origin(COMMAND_LINE))

    def set(self, path: KeyPath, value: object, origin: Origin) -> None:
        """Set one value; missing tables are created, and a table is merged into a table."""
        here = self.tables
        for part in path[:-1]:
            below = here.get(str(part))
            if not isinstance(below, dict):
                below = here[str(part)] = {}
            here = below
        name = str(path[-1])
        if isinstance(value, Mapping) and isinstance(here.get(name), dict):
            for key, item in value.items():
                self.set((*path, key), item, origin)
        else:
            here[name] = copy.deepcopy(value)
            self._overlay[path] = origin

    def override(self, path: KeyPath) -> Origin | None:
        """Return what overrides the file for a setting or a part of it, ``None`` without that."""
        for given, origin in self._overlay.items():
            shorter = min(len(given), len(path))
            if given[:shorter] == path[:shorter]:
                return origin
        return None

    def origin(self, path: KeyPath) -> Origin | None:
        """Return the origin of the value at ``path``, or ``None``."""
        for length in range(len(path), 0, -1):
            if (origin := self._overlay.get(path[:length])) is not None:
                return origin
        here: Any = self.tables
        try:
            for part in path:
                here = here[part]
        except (KeyError, IndexError, TypeError):
            return None
        return self.nearest(path)

    def nearest(self, path: KeyPath) -> Origin:
        """Return the origin of ``path`` or, if it is missing, of the closest table around it."""
        for length in range(len(path), 0, -1):
            if (origin := self._overlay.get(path[:length])) is not None:
                return origin
        for length in range(len(path), 0, -1):
            if path[:length] in self._lines:
                return Origin(self._file, self._lines[path[:length]])
            for given, origin in self._overlay.items():
                if given[:length] == path[:length]:
                    return origin
        return Origin(self._file)

    def _resolved(self, parts: list[str]) -> KeyPath:
        """Return the path of an environment variable, in the spelling of the file."""
        path: list[str] = []
        here: object = self.tables
        for part in parts:
            names = list(here) if isinstance(here, dict) else []
            alike = [name for name in names if name.lower().replace("-", "_") == part]
            inner, _ = plain(type_at(tuple(path)) or settings_type())
            name = alike[0] if alike and not isinstance(inner, inspect.StructType) else part
            path.append(name)
            here = here.get(name) if isinstance(here, dict) else None
        return tuple(path)


def parse_text(text: str, kind: inspect.Type | None) -> object:
    """Return the value of ``text`` for a setting of type ``kind``.

    Text that cannot be parsed is returned unchanged, and validation reports it.  Empty text for
    a type other than text gives ``None``.
    """
    inner = plain(kind)[0] if kind is not None else None
    if isinstance(inner, (inspect.StrType, inspect.CustomType, inspect.LiteralType)):
        return text
    if not text.strip():
        return None
    if isinstance(inner, inspect.BoolType):
        return _WORDS.get(text.strip().lower(), text)
    try:
        parsed = parse_toml(f"value = {text.strip()}")
    except tomllib.TOMLDecodeError:
        parsed = {}
    if len(parsed) == 1:
        value = parsed["value"]
        if not isinstance(inner, inspect.ListType) or isinstance(value, list):
            return value
    if isinstance(inner, inspect.ListType):
        return [part.strip() for part in text.split(",") if part.strip()]
    return text


def read_file(file: Path) -> bytes:
    """Return the content of ``file``, without waiting for a writer.

    :raises OSError: if it cannot be read, is a pipe, or is too large.
    """
    is_passed_on = file.parts[:2] in (("/", "dev"), ("/", "proc"))  # as <(command) is by a shell
    if stat.S_ISFIFO(file.stat().st_mode) and not is_passed_on:
        raise OSError(errno.EINVAL, "it is a pipe, not a file", str(file))
    with file.open("rb") as opened:
        data = opened.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise OSError(errno.EFBIG, f"it is larger than {_LARGEST} bytes", str(file))
    return data


def _has_values(value: object) -> bool:
    """Return whether a table, or one within it, contains a value."""
    return any(map(_has_values, value.values())) if isinstance(value, dict) else True


def _missing(file: Path) -> str:
    """Return the message for a file that does not exist."""
    if file.is_symlink():
        return "it is a link to a file that does not exist"
    return "the file does not exist"


def _syntax_problem(error: tomllib.TOMLDecodeError, place: str, text: str) -> Problem:
    """Return the problem for an error of ``tomllib``, with its line if that is known.

    Python 3.14 has the line as a number, earlier versions only in the message.
    """
    line: int | None = getattr(error, "lineno", None)
    reason = str(getattr(error, "msg", error))
    if line is None and (match := _SYNTAX_LINE.search(reason)) is not None:
        reason = reason[: match.start()]
        if match[1]:
            line = int(match[1])
        else:
            reason += " (the file ends too early)"
    hint = twice_hint(error, text)
    return Problem(f"this is not valid TOML: {reason}{hint}", place=place, line=line)


def _variable_meant(name: str) -> str:
    """Return the variable that a name with a single underscore between tables probably means."""
    for field in settings_type().fields:
        rest = name.removeprefix(f"{field.name}_")
        if rest != name and type_at((field.name, rest)) is not None:
            return f"{PREFIX}{field.name.upper()}__{rest.upper()}"
    return ""
