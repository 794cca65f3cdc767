"""Change YAML: comments, order and most of the spelling stay."""

from __future__ import annotations

import io
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from antigravity.connect.files.document import DocumentError, Item, Path, show


class YamlDocument:
    """A file of YAML with one document.

    :param root: what an empty file is: an object, or the given value.
    :raises DocumentError: if it is not YAML, or has several documents.
    """

    def __init__(self, text: str, *, root: Any = None) -> None:
        self._yaml = YAML()
        self._yaml.preserve_quotes = True
        self._yaml.width = 4096  # it breaks no lines
        mapping, sequence, offset = _indents(text, root)
        self._yaml.indent(mapping=mapping, sequence=sequence, offset=offset)
        self._unchanged: str | None = text
        try:
            found = self._yaml.load(text)
        except YAMLError as error:
            # its own text quotes lines and values, which may hold a key
            mark = getattr(error, "problem_mark", None)
            place = "" if mark is None else f"line {mark.line + 1}: "
            problem = str(getattr(error, "problem", None) or "it cannot be read")
            problem = problem.partition(" with value ")[0]
            raise DocumentError(f"it is not valid YAML: {place}{problem}") from None
        self._data: Any = ({} if root is None else root) if found is None else found
        self._comment = text if found is None else ""

    def plain(self) -> Any:
        """Return all settings."""
        return _plain(self._data)

    def text(self) -> str:
        """Return the file."""
        if self._unchanged is not None:
            return self._unchanged
        out = io.StringIO()
        self._yaml.dump(self._data, out)
        return self._comment + out.getvalue()

    def set(self, path: Path, value: Any) -> None:
        """Set a setting; what is on the way to it and missing is created."""
        if not path:
            raise DocumentError("the whole file cannot be set")
        self._unchanged = None
        node: Any = self._data
        for number, step in enumerate(path):
            last = number == len(path) - 1
            place = _place(node, step, path[:number])
            if last:
                new = value
            elif place is not None:
                node = node[place]
                continue
            else:
                new = [] if isinstance(path[number + 1], Item) else {}
            if place is not None:
                node[place] = new
            elif isinstance(step, Item):
                node.append(new)
            else:
                node[step] = new
            if not last:
                node = node[-1] if isinstance(step, Item) else node[step]

    def remove(self, path: Path) -> None:
        """Remove a setting, if it is there; what is on the way to it stays."""
        node: Any = self._data
        for number, step in enumerate(path):
            place = _place(node, step, path[:number])
            if place is None:
                return
            if number == len(path) - 1:
                self._unchanged = None
                del node[place]
            else:
                node = node[place]


def _place(node: Any, step: str | Item, path: Path) -> Any:
    """Return the name or the number of a step, ``None`` if it is not there."""
    if isinstance(step, Item):
        if not isinstance(node, list):
            raise DocumentError(f"{show(path) or 'the whole'} is not a list")
        return next((i for i, each in enumerate(node) if step.is_in(each)), None)
    if not isinstance(node, dict):
        raise DocumentError(f"{show(path) or 'the whole'} is not an object")
    return step if step in node else None


def _indents(text: str, root: Any) -> tuple[int, int, int]:
    """Return how a file is indented: mappings, lists, and the dashes of lists."""
    if isinstance(root, list):  # of the whole file, so it has no indent
        return 2, 2, 0
    previous = ""
    for line in text.splitlines():
        stripped = line.lstrip(" ")
        indent = len(line) - len(stripped)
        if stripped.startswith("- ") and previous.rstrip().endswith(":"):
            outer = len(previous) - len(previous.lstrip(" "))
            offset = max(0, indent - outer)
            return 2, offset + 2, offset
        if stripped and not stripped.startswith("#"):
            previous = line
    return 2, 4, 2


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value
