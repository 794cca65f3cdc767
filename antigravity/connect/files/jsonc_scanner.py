"""Read JSON with comments and trailing commas, and remember where each value is.

Source: https://code.visualstudio.com/docs/languages/json#_json-with-comments
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from msgspec import Struct

#: How deep values may be nested.
MAX_DEPTH: Final = 100

_SPACE = re.compile(r"(?:[ \t\r\n\ufeff]|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_SCALAR = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null")


class JsonSyntaxError(ValueError):
    """The text is not JSON with comments."""


class Value(Struct):
    """A value and its place in the text.

    :ivar members: of an object.
    :ivar items: of an array.
    :ivar scalar: anything else.
    """

    start: int
    end: int
    members: list[Member] | None = None
    items: list[Value] | None = None
    scalar: Any = None

    def plain(self) -> Any:
        """Return the value without its places."""
        if self.members is not None:
            return {member.name: member.value.plain() for member in self.members}
        if self.items is not None:
            return [item.plain() for item in self.items]
        return self.scalar


class Member(Struct):
    """A member of an object; ``start`` is that of its name."""

    name: str
    start: int
    value: Value

    @property
    def end(self) -> int:
        """Where the member ends."""
        return self.value.end


def scan(text: str) -> Value:
    """Return the value that a text holds.

    :raises JsonSyntaxError: if it is not JSON with comments, with the line of the problem.
    """
    scanner = _Scanner(text)
    place = scanner.skip(0)
    value = scanner.value(place, 0)
    if scanner.skip(value.end) != len(text):
        raise scanner.problem(value.end, "there is something after the value")
    return value


def skip(text: str, place: int) -> int:
    """Return the place of the next token: behind space and comments."""
    found = _SPACE.match(text, place)
    assert found is not None  # it matches nothing, too
    return found.end()


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text

    def problem(self, place: int, message: str) -> JsonSyntaxError:
        line = self._text.count("\n", 0, place) + 1
        return JsonSyntaxError(f"line {line}: {message}")

    def skip(self, place: int) -> int:
        """Return the place of the next token."""
        return skip(self._text, place)

    def value(self, place: int, depth: int) -> Value:
        if depth > MAX_DEPTH:
            raise self.problem(place, "it is nested too deeply")
        letter = self._text[place : place + 1]
        if letter == "{":
            return self._object(place, depth)
        if letter == "[":
            return self._array(place, depth)
        found = (_STRING if letter == '"' else _SCALAR).match(self._text, place)
        if found is None:
            raise self.problem(place, "a value is expected")
        return Value(place, found.end(), scalar=self._load(found.group(), place))

    def _load(self, token: str, place: int) -> Any:
        try:
            return json.loads(token)
        except ValueError:
            shown = "the text" if token.startswith('"') else token[:30]  # which may be a key
            raise self.problem(place, f"{shown} is not valid") from None

    def _object(self, start: int, depth: int) -> Value:
        members: list[Member] = []
        place = self.skip(start + 1)
        while self._text[place : place + 1] != "}":
            found = _STRING.match(self._text, place)
            if found is None:
                raise self.problem(place, "a name in double quotes or } is expected")
            name = self._load(found.group(), place)
            colon = self.skip(found.end())
            if self._text[colon : colon + 1] != ":":
                raise self.problem(colon, "a colon is expected")
            value = self.value(self.skip(colon + 1), depth + 1)
            members.append(Member(name, place, value))
            place = self._after(value.end, "}")
        return Value(start, place + 1, members=members)

    def _array(self, start: int, depth: int) -> Value:
        items: list[Value] = []
        place = self.skip(start + 1)
        while self._text[place : place + 1] != "]":
            item = self.value(place, depth + 1)
            items.append(item)
            place = self._after(item.end, "]")
        return Value(start, place + 1, items=items)

    def _after(self, end: int, close: str) -> int:
        """Return the place of what follows a member or item: the next one, or the end."""
        place = self.skip(end)
        letter = self._text[place : place + 1]
        if letter == ",":
            return self.skip(place + 1)
        if letter != close:
            raise self.problem(place, f"a comma or {close} is expected")
        return place
