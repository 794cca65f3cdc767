"""Change JSON with comments: only the text of the changed members changes."""

from __future__ import annotations

import json
import re
from typing import Any

from antigravity.connect.files.document import MISSING, DocumentError, Item, Path, find, show
from antigravity.connect.files.jsonc_scanner import JsonSyntaxError, Member, Value, scan, skip

_DEFAULT_INDENT = "  "


class JsonDocument:
    """A file of JSON, with or without comments and trailing commas.

    :param text: the file.
    :param root: what an empty file is: an object, or the given value.
    :raises DocumentError: if it is not JSON.
    """

    def __init__(self, text: str, *, root: Any = None) -> None:
        self._newline = "\r\n" if "\r\n" in text else "\n"
        if not text.strip(" \t\r\n\ufeff"):
            text = json.dumps({} if root is None else root) + self._newline
        self._text = text
        self._root = self._scan()
        self._indent = self._find_indent()

    def _scan(self) -> Value:
        try:
            return scan(self._text)
        except JsonSyntaxError as error:
            raise DocumentError(f"it is not valid JSON: {error}") from None

    def plain(self) -> Any:
        """Return all settings."""
        return self._root.plain()

    def text(self) -> str:
        """Return the file."""
        return self._text

    def set(self, path: Path, value: Any) -> None:
        """Set a setting; what is on the way to it and missing is created."""
        node, rest = self._walk(path)
        for step in reversed(rest[1:]):
            value = [value] if isinstance(step, Item) else {step: value}
        if not rest:
            self._replace(node.start, node.end, self._dump(value, self._indent_at(node.start)))
        elif isinstance(rest[0], Item):
            self._append(node, node.items, None, value, path)
        else:
            self._append(node, node.members, rest[0], value, path)

    def remove(self, path: Path) -> None:
        """Remove a setting, if it is there; what is on the way to it stays."""
        if not path or find(self.plain(), path) is MISSING:
            return
        parent, _ = self._walk(path[:-1])
        last = path[-1]
        if isinstance(last, Item):
            children: list[Any] = parent.items or []
            index = next(i for i, each in enumerate(children) if last.is_in(each.plain()))
        else:
            children = parent.members or []
            # the last of several members of one name is the one that counts
            index = max(i for i, each in enumerate(children) if each.name == last)
        self._cut(parent, children, index)

    # -- find --

    def _walk(self, path: Path) -> tuple[Value, Path]:
        """Return the deepest value on the way that is there, and the rest of the way."""
        node = self._root
        for number, step in enumerate(path):
            child = self._child(node, step, path[: number + 1])
            if child is None:
                return node, path[number:]
            node = child
        return node, ()

    def _child(self, node: Value, step: str | Item, path: Path) -> Value | None:
        if isinstance(step, Item):
            if node.items is None:
                raise DocumentError(f"{show(path[:-1]) or 'the whole'} is not a list")
            return next((each for each in node.items if step.is_in(each.plain())), None)
        if node.members is None:
            raise DocumentError(f"{show(path[:-1]) or 'the whole'} is not an object")
        named = [each for each in node.members if each.name == step]
        return named[-1].value if named else None

    # -- change --

    def _replace(self, start: int, end: int, text: str) -> None:
        self._text = self._text[:start] + text + self._text[end:]
        self._root = self._scan()

    def _append(
        self,
        node: Value,
        children: list[Any] | None,
        name: str | None,
        value: Any,
        path: Path,
    ) -> None:
        """Add a member or an item behind the others."""
        if children is None:
            raise DocumentError(f"{show(path)} cannot be set: what should hold it is no container")
        outer = self._indent_at(node.start)
        inner = outer + self._indent
        label = "" if name is None else json.dumps(name, ensure_ascii=False) + ": "
        entry = label + self._dump(value, inner)
        if not children:
            self._fill(node, f"{inner}{entry}", outer)
            return
        end = children[-1].end
        comma = self._comma_after(end, node.end - 1)
        start = children[-1].start
        line_start = self._text.rfind("\n", 0, start) + 1
        if self._text[line_start:start].strip(" \t\r"):  # it is in one line with something else
            place = end if comma is None else comma + 1
            self._replace(place, place, f", {entry}" if comma is None else f" {entry},")
            return
        own_indent = self._indent_at(start)
        label_and_value = label + self._dump(value, own_indent)
        place = self._line_end(end if comma is None else comma + 1, node.end - 1)
        tail = "," if comma is not None else ""
        added = f"{self._newline}{own_indent}{label_and_value}{tail}"
        if comma is None:
            self._text = self._text[:end] + "," + self._text[end:]
            place += 1
        self._replace(place, place, added)

    def _fill(self, node: Value, entry: str, outer: str) -> None:
        """Put the first entry into an empty container, whose comments stay."""
        inside = self._text[node.start + 1 : node.end - 1].rstrip()
        text = f"{inside}{self._newline}{entry}{self._newline}{outer}"
        self._replace(node.start + 1, node.end - 1, text)

    def _cut(self, parent: Value, children: list[Member] | list[Value], index: int) -> None:
        """Remove a member or an item, with its comma, and its lines if nothing else is in them."""
        start, end = children[index].start, children[index].end
        comma = self._comma_after(end, parent.end - 1)
        if comma is not None:
            end = comma + 1
        line_start = self._text.rfind("\n", 0, start) + 1
        line_end = self._text.find("\n", end)
        line_end = len(self._text) if line_end < 0 else line_end
        alone_before = not self._text[line_start:start].strip()
        alone_after = not self._text[end:line_end].strip() and line_end < parent.end
        previous_comma = None
        if comma is None and index:
            previous_comma = self._comma_after(children[index - 1].end, start)
        if alone_before and alone_after and line_start > parent.start:
            cut_start = line_start - 1
            if self._text[cut_start - 1 : cut_start] == "\r":
                cut_start -= 1
            end = line_end - 1 if self._text[line_end - 1 : line_end] == "\r" else line_end
        else:
            cut_start = start
            if index == len(children) - 1:  # also the space before it
                cut_start = len(self._text[:start].rstrip(" \t"))
            elif self._text[end : end + 1] == " ":
                end += 1
        text = self._text[:cut_start] + self._text[end:]
        if previous_comma is not None:
            text = text[:previous_comma] + text[previous_comma + 1 :]
        self._text = text
        self._root = self._scan()

    # -- text --

    def _comma_after(self, end: int, limit: int) -> int | None:
        """Return the place of the comma behind a member or item, if there is one."""
        place = skip(self._text, end)
        return place if place < limit and self._text[place] == "," else None

    def _line_end(self, place: int, limit: int) -> int:
        """Return where a line ends, with the comment in it: what is added comes behind that."""
        rest = self._text[place:limit]
        comment = re.match(r"[ \t]*(?://[^\r\n]*|/\*[^\r\n]*?\*/[ \t]*(?=[\r\n]))", rest)
        return place + (len(comment.group().rstrip(" \t")) if comment else 0)

    def _indent_at(self, place: int) -> str:
        """Return the indent of the line of a place."""
        line = self._text[self._text.rfind("\n", 0, place) + 1 : place]
        return line[: len(line) - len(line.lstrip(" \t"))].lstrip("\ufeff")

    def _find_indent(self) -> str:
        """Return the indent of one level."""
        for child in self._root.members or self._root.items or []:
            indent = self._indent_at(child.start)
            if indent and "\n" in self._text[: child.start]:
                return indent
        return _DEFAULT_INDENT

    def _dump(self, value: Any, indent: str) -> str:
        in_one_line = "\n" not in self._text.strip() and len(self._text.strip()) > len("{}")
        indentation = None if in_one_line else self._indent
        text = json.dumps(value, indent=indentation, ensure_ascii=False)
        return text.replace("\n", self._newline + indent)
