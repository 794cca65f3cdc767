"""Change TOML: comments, order and spelling stay."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import tomlkit
from tomlkit.container import Container
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AbstractTable

from antigravity.connect.files.document import MISSING, DocumentError, Item, Path, find, show


class TomlDocument:
    """A file of TOML.  Its settings are in tables; lists of tables are not changed.

    :raises DocumentError: if it is not TOML.
    """

    def __init__(self, text: str) -> None:
        self._mark = "\ufeff" if text.startswith("\ufeff") else ""
        text = text.removeprefix("\ufeff")
        self._has_crlf = "\r\n" in text and not re.search(r"(?<!\r)\n", text)
        try:
            tomllib.loads(text)
            self._document = tomlkit.parse(text)
        except (tomllib.TOMLDecodeError, TOMLKitError) as error:
            raise DocumentError(f"it is not valid TOML: {error}") from None

    def plain(self) -> Any:
        """Return all settings."""
        return tomllib.loads(self.text().removeprefix("\ufeff"))

    def text(self) -> str:
        """Return the file."""
        text = tomlkit.dumps(self._document)
        if self._has_crlf:
            text = re.sub(r"(?<!\r)\n", "\r\n", text)
        return self._mark + text

    def set(self, path: Path, value: Any) -> None:
        """Set a setting; what is on the way to it and missing is created."""
        names = _names(path)
        table: Any = self._document
        for number, name in enumerate(names[:-1]):
            if name not in table:
                # a table that only holds tables needs no header of its own
                table[name] = tomlkit.table(is_super_table=number < len(names) - 2)
            table = table[name]
            if not isinstance(table, (Container, AbstractTable)):
                raise DocumentError(f"{show(path[: number + 1])} is not a table")
        table[names[-1]] = value

    def remove(self, path: Path) -> None:
        """Remove a setting, if it is there; what is on the way to it stays."""
        if not path or find(self.plain(), path) is MISSING:
            return
        names = _names(path)
        table: Any = self._document
        for name in names[:-1]:
            table = table[name]
        del table[names[-1]]


def _names(path: Path) -> list[str]:
    names = [step for step in path if not isinstance(step, Item)]
    if len(names) != len(path) or not names:
        raise DocumentError(f"{show(path)} is in a list, which cannot be changed")
    return names
