"""Find the line of each key in a TOML text, which ``tomllib`` does not report.

The text must be valid TOML.
"""

from __future__ import annotations

import re
import tomllib

from antigravity.config.paths import KeyPath

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*"{3,5}'
    r"|'''(?:[^']|'(?!''))*'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_SCALAR = re.compile(r"[^,\]}#\n]*")


def string_spans(text: str) -> dict[KeyPath, tuple[int, int]]:
    """Return where each string value begins and ends in the text, with its quotes."""
    scanner = _Scanner(text)
    scanner.scan()
    return scanner.strings


def key_lines(text: str) -> dict[KeyPath, int]:
    """Return the first line of each table, key and list item."""
    return _Scanner(text).scan()


class _Scanner:
    """A scanner of one text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.lines: dict[KeyPath, int] = {}
        self.last_items: dict[KeyPath, int] = {}
        self.strings: dict[KeyPath, tuple[int, int]] = {}
        self._counted = (0, 1)

    def scan(self) -> dict[KeyPath, int]:
        """Scan all statements."""
        table: KeyPath = ()
        self.skip(_BLANK)
        while self.position < len(self.text):
            if self.text[self.position] == "[":
                brackets = 2 if self.text.startswith("[[", self.position) else 1
                self.position += brackets
                table = self.placed(self.key(), is_item=brackets == 2)
                self.note(table)
                self.position += brackets
            else:
                self.statement(table)
            self.skip(_BLANK)
        return self.lines

    def placed(self, name: KeyPath, *, is_item: bool) -> KeyPath:
        """Return the path of a table, with the index of the last item for each list on the way."""
        path: KeyPath = ()
        for place, part in enumerate(name, 1):
            path = (*path, part)
            if is_item and place == len(name):
                self.last_items[path] = self.last_items.get(path, -1) + 1
            if path in self.last_items:
                path = (*path, self.last_items[path])
        return path

    def statement(self, table: KeyPath) -> None:
        """Scan ``key = value``."""
        path = (*table, *self.key())
        self.note(path)
        self.position += 1
        self.skip(_BLANK)
        self.value(path)

    def key(self) -> KeyPath:
        """Scan a dotted key."""
        parts: list[str] = []
        while True:
            self.skip(_SPACE)
            if self.text[self.position] in "\"'":
                parts.append(_unquoted(self.skip(_STRING)))
            else:
                parts.append(self.skip(_BARE))
            self.skip(_SPACE)
            if not self.text.startswith(".", self.position):
                return tuple(parts)
            self.position += 1

    def value(self, path: KeyPath) -> None:
        """Scan a value, including the members of a list or table."""
        opening = self.text[self.position]
        if opening in "\"'":
            begin = self.position
            self.skip(_STRING)
            self.strings[path] = begin, self.position
        elif opening in "[{":
            self.position += 1
            self.members(path, "]" if opening == "[" else "}")
        else:
            self.skip(_SCALAR)

    def members(self, path: KeyPath, closing: str) -> None:
        """Scan the members of a list or an inline table."""
        index = 0
        self.skip(_BLANK)
        while self.text[self.position] != closing:
            if closing == "}":
                self.statement(path)
            else:
                self.note((*path, index))
                self.value((*path, index))
                index += 1
            self.skip(_BLANK)
            if self.text[self.position] == ",":
                self.position += 1
                self.skip(_BLANK)
        self.position += 1

    def skip(self, pattern: re.Pattern[str]) -> str:
        """Skip and return the text that ``pattern`` matches at the current position."""
        match = pattern.match(self.text, self.position)
        found = match.group() if match else ""
        self.position += len(found)
        return found

    def note(self, path: KeyPath) -> None:
        """Record the current line for ``path`` and for the tables around it."""
        start, line = self._counted
        line += self.text.count("\n", start, self.position)
        self._counted = (self.position, line)
        for length in range(1, len(path) + 1):
            self.lines.setdefault(path[:length], line)


def _unquoted(text: str) -> str:
    """Return a quoted key without quotes and escapes."""
    return str(tomllib.loads(f"key = {text}")["key"])
