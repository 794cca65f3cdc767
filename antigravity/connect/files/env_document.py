"""Change a file of environment variables, ``NAME=value``: all other lines stay.

Source: https://www.npmjs.com/package/dotenv
"""

from __future__ import annotations

import re
from typing import Any

from antigravity.connect.files.document import DocumentError, Item, Path, show

_LINE = re.compile(r"^[ \t]*(export[ \t]+)?([A-Za-z_][A-Za-z0-9_.]*)[ \t]*=[ \t]*(.*?)[ \t]*$")
_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,=~-]*")


class EnvDocument:
    """A file with a variable in each line."""

    def __init__(self, text: str) -> None:
        self._newline = "\r\n" if "\r\n" in text else "\n"
        self._lines = text.split(self._newline)

    def plain(self) -> Any:
        """Return all variables; of several lines for one, the last one counts."""
        found = (_LINE.match(line) for line in self._lines)
        return {match[2]: _unquoted(match[3]) for match in found if match}

    def text(self) -> str:
        """Return the file."""
        return self._newline.join(self._lines)

    def set(self, path: Path, value: Any) -> None:
        """Set a variable: in its line, or in a new one at the end."""
        line = f"{_name(path)}={_quoted(str(value))}"
        places = self._places(path)
        if places:
            match = _LINE.match(self._lines[places[-1]])
            self._lines[places[-1]] = f"{match[1] or ''}{line}" if match else line
        elif self._lines and not self._lines[-1]:
            self._lines[-1:] = [line, ""]
        else:
            self._lines += [line, ""]

    def remove(self, path: Path) -> None:
        """Remove a variable, if it is there."""
        for place in reversed(self._places(path)):
            del self._lines[place]

    def _places(self, path: Path) -> list[int]:
        name = _name(path)
        found = ((number, _LINE.match(line)) for number, line in enumerate(self._lines))
        return [number for number, match in found if match and match[2] == name]


def _name(path: Path) -> str:
    if len(path) != 1 or isinstance(path[0], Item):
        raise DocumentError(f"{show(path)} is no variable")
    return path[0]


def _quoted(value: str) -> str:
    if _PLAIN.fullmatch(value):
        return value
    return "'" + value + "'" if "'" not in value else '"' + value.replace('"', '\\"') + '"'


def _unquoted(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"`":
        return value[1:-1].replace('\\"', '"') if value[0] == '"' else value[1:-1]
    return re.sub(r"[ \t]+#.*$", "", value)
