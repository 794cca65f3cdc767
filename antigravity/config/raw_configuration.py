"""Bring together what the file, the environment and the command line say.

Nothing is judged here but the syntax of the file; see :mod:`antigravity.config.validation`.
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

PREFIX = "ANTIGRAVITY_"
#: The key that commands show the gateway as its clients.
KEY_VARIABLE = "ANTIGRAVITY_KEY"
#: Variables that are no settings.
OTHER_VARIABLES = frozenset({HOME_VARIABLE, KEY_VARIABLE, "ANTIGRAVITY_TRACEBACK"})
COMMAND_LINE = "command line"

_SYNTAX_LINE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")
#: No file of ours is larger, in bytes.
_LARGEST = 16 * 1024 * 1024
_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


class Origin(Struct, frozen=True):
    """Where a value was given."""

    place: str
    line: int | None = None

    def __str__(self) -> str:
        return f"{self.place}:{self.line}" if self.line else self.place


class RawConfiguration:
    """Tables as they were given, and where each value comes from.

    Later layers win: first the file, then the environment, then the command line.
    """

    def __init__(self, file: Path | None = None) -> None:
        self.tables: dict[str, Any] = {}
        self.warnings: list[Problem] = []
        #: Whether a file was read, and whether it contained no settings.
        self.has_file = file is not None
        self.is_blank = True
        self._file = str(file) if file else ""
        self._lines: dict[KeyPath, int] = {}
        self._overlay: dict[KeyPath, Origin] = {}
        if file is not None:
            self._read(file)

    def _read(self, file: Path) -> None:
        try:
            text = read_file(file).decode("utf-8-sig")
            self.tables = tomllib.loads(text)
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
            raise ConfigurationError([_syntax_problem(error, str(file))]) from None
        self.is_blank = not _has_values(self.tables)
        self._lines = key_lines(text)

    def read_environment(self, environ: Mapping[str, str]) -> None:
        """Lay the settings in ``environ`` over what is there."""
        for name in sorted(environ):
            if not name.startswith(PREFIX) or name in OTHER_VARIABLES:
                continue
            parts = name.removeprefix(PREFIX).lower().split("__")
            if len(parts) == 1 and type_at((parts[0],)) is None:
                self.warnings.append(
                    Problem(
                        "this environment variable is no setting and has no effect",
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
        """Lay the command line's values over what is there; names are dotted, ``None`` is none."""
        for name, value in overrides.items():
            path: KeyPath = tuple(name.split("."))
            if isinstance(value, str):
                value = parse_text(value, type_at(path))
            if value is not None:
                self.set(path, value, Origin(COMMAND_LINE))

    def set(self, path: KeyPath, value: object, origin: Origin) -> None:
        """Set one value; tables on the way are made, and a table is merged into a table."""
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

    def origin(self, path: KeyPath) -> Origin | None:
        """Return where the value at ``path`` was given; ``None`` if it was not."""
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
        """Return the place to look at for ``path``, whether it was given or is missing."""
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
        """Return the path that an environment variable means, spelled as the file spells it."""
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
    """Return the value that ``text`` stands for where a ``kind`` is wanted.

    Text that makes no sense is returned as it is, for validation to complain about; empty
    text where text is not wanted says nothing and gives ``None``.
    """
    inner = plain(kind)[0] if kind is not None else None
    if isinstance(inner, (inspect.StrType, inspect.CustomType, inspect.LiteralType)):
        return text
    if not text.strip():
        return None
    if isinstance(inner, inspect.BoolType):
        return _WORDS.get(text.strip().lower(), text)
    try:
        parsed = tomllib.loads(f"value = {text.strip()}")
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
    """Return what is in ``file``, without waiting for a writer.

    :raises OSError: if it cannot be read, is a pipe, or is larger than any configuration.
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
    """Return whether there is a value in a table, or in one of those in it."""
    return any(map(_has_values, value.values())) if isinstance(value, dict) else True


def _missing(file: Path) -> str:
    """Return what to say of a file that is not there."""
    if file.is_symlink():
        return "it is a link to a file that does not exist"
    return "there is no such file"


def _syntax_problem(error: tomllib.TOMLDecodeError, place: str) -> Problem:
    """Return a problem for a complaint of ``tomllib``, with its line if that is known.

    Python 3.14 has the line as a number.  The versions before it have it in the text alone,
    which does not change any more there; where it is not found, the whole text is shown.
    """
    line: int | None = getattr(error, "lineno", None)
    reason = str(getattr(error, "msg", error))
    if line is None and (match := _SYNTAX_LINE.search(reason)) is not None:
        reason = reason[: match.start()]
        if match[1]:
            line = int(match[1])
        else:
            reason += " (the file ends too early)"
    return Problem(f"this is no valid TOML: {reason}", place=place, line=line)


def _variable_meant(name: str) -> str:
    """Return the variable that a name with a single underscore between tables is meant for."""
    for field in settings_type().fields:
        rest = name.removeprefix(f"{field.name}_")
        if rest != name and type_at((field.name, rest)) is not None:
            return f"{PREFIX}{field.name.upper()}__{rest.upper()}"
    return ""
