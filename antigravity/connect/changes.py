"""Compute what connecting and disconnecting change in a file; nothing is read or written here."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Sequence
from typing import Any

from msgspec import UNSET, Struct, UnsetType

from antigravity.connect.client import ClientFile, Format
from antigravity.connect.files.document import (
    MISSING,
    Document,
    DocumentError,
    Item,
    Path,
    find,
    show,
)
from antigravity.connect.files.env_document import EnvDocument
from antigravity.connect.files.json_document import JsonDocument


class SettingRecord(Struct, frozen=True):
    """A setting that was made.

    :ivar path: names, and ``[name, value]`` for items of lists.
    :ivar digest: of the value that was set.
    :ivar previous: the value before, if there was one.
    :ivar created: how many containers on the way, counted from the end, did not exist before.
    """

    path: list[str | list[str]]
    digest: str
    previous: Any = UNSET
    created: int = 0


class Change(Struct, frozen=True):
    """What a file becomes.

    :ivar text: the new text, ``None`` if the file shall be removed.
    :ivar records: the settings that were made.
    :ivar left: settings that were not changed, because somebody has changed them meanwhile.
    """

    text: str | None
    records: Sequence[SettingRecord] = ()
    left: Sequence[str] = ()


def open_document(kind: Format, text: str, root: Any = None) -> Document:
    """Return the editor of a file.

    :raises DocumentError: if the text is not of this kind.
    """
    if kind == "json":
        return JsonDocument(text, root=root)
    if kind == "env":
        return EnvDocument(text)
    if kind == "toml":
        from antigravity.connect.files.toml_document import TomlDocument

        return TomlDocument(text)
    from antigravity.connect.files.yaml_document import YamlDocument

    return YamlDocument(text, root=root)


def connect(file: ClientFile, text: str, before: Sequence[SettingRecord] = ()) -> Change:
    """Return what a file becomes when a client is connected.

    :param text: the file, ``""`` if there is none.
    :param before: what was set when it was connected before.
    :raises DocumentError: if the file cannot be changed.
    """
    document = open_document(file.format, text, file.root)
    expected = _Expected(document.plain())
    earlier = {_path_of(record): record for record in before}
    ours = {path for path, record in earlier.items() if is_ours(expected.data, record)}
    is_new = not text.strip()
    wanted = [each for each in file.settings if each.path in ours or is_new or not each.only_if_new]
    for path, record in earlier.items():  # such as a model that is not offered any more
        if path not in {setting.path for setting in wanted}:
            _take_back(document, expected, path, record)
    records = []
    for setting in wanted:
        current = find(expected.data, setting.path)
        known = earlier.get(setting.path)
        if known is not None and current is not MISSING and digest(current) == known.digest:
            previous, created = known.previous, known.created
        elif current is not MISSING and current == setting.value:
            continue  # somebody has set it by hand: it stays when the client is disconnected
        else:
            previous = UNSET if current is MISSING else current
            created = _count_missing(expected.data, setting.path)
        if current is MISSING or current != setting.value:
            document.set(setting.path, setting.value)
            expected.set(setting.path, setting.value)
        records.append(
            SettingRecord(_listed(setting.path), digest(setting.value), previous, created)
        )
    return Change(_checked(document, expected, file.format, file.root), records)


def disconnect(
    kind: Format, root: Any, text: str, records: Sequence[SettingRecord], *, existed: bool
) -> Change:
    """Return what a file becomes when a client is disconnected.

    Only values that are still ours are removed, or become what they were.

    :param existed: whether the file existed before the client was connected.
    """
    document = open_document(kind, text, root)
    expected = _Expected(document.plain())
    left = []
    for record in reversed(records):
        path = _path_of(record)
        if not _take_back(document, expected, path, record):
            left.append(show(path))
    new = _checked(document, expected, kind, root)
    if not existed and not left and not expected.data:
        return Change(None)
    return Change(new, left=left)


def is_ours(data: Any, record: SettingRecord) -> bool:
    """Return whether a setting still has the value that was set."""
    current = find(data, _path_of(record))
    return current is not MISSING and digest(current) == record.digest


def digest(value: Any) -> str:
    """Return a digest of a value that does not depend on the order of members."""
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _take_back(document: Document, expected: _Expected, path: Path, record: SettingRecord) -> bool:
    """Remove a setting, or restore what it was; return whether it was still ours or is gone."""
    current = find(expected.data, path)
    if current is MISSING:
        return True
    if digest(current) != record.digest:
        return False
    targets: list[Document | _Expected] = [document, expected]
    if not isinstance(record.previous, UnsetType):
        for each in targets:
            each.set(path, record.previous)
        return True
    for each in targets:
        each.remove(path)
    for length in range(len(path) - 1, len(path) - 1 - record.created, -1):
        container = find(expected.data, path[:length])
        if length and container in ({}, []):
            for each in targets:
                each.remove(path[:length])
    return True


def _count_missing(data: Any, path: Path) -> int:
    """Return how many containers on the way to a setting are missing."""
    return sum(find(data, path[:length]) is MISSING for length in range(1, len(path)))


def _checked(document: Document, expected: _Expected, kind: Format, root: Any) -> str:
    """Return the new text, if its settings are what they should be.

    :raises DocumentError: if the file cannot be changed without changing something else.
    """
    text = document.text()
    if open_document(kind, text, root).plain() != expected.data:
        raise DocumentError("it has a form that cannot be changed without changing other settings")
    return text


def _listed(path: Path) -> list[str | list[str]]:
    return [[step.name, step.value] if isinstance(step, Item) else step for step in path]


def _path_of(record: SettingRecord) -> Path:
    return tuple(Item(*step) if isinstance(step, list) else step for step in record.path)


class _Expected:
    """The settings that a file should have afterwards, computed independently of its text."""

    def __init__(self, data: Any) -> None:
        self.data = copy.deepcopy(data)

    def set(self, path: Path, value: Any) -> None:
        *way, last = path
        node = self.data
        for number, step in enumerate(way):
            child = find(node, (step,))
            if child is MISSING:
                child = [] if isinstance(path[number + 1], Item) else {}
                self._put(node, step, child)
            node = child
        self._put(node, last, copy.deepcopy(value))

    def remove(self, path: Path) -> None:
        *way, last = path
        node = find(self.data, tuple(way))
        if isinstance(last, Item):
            index = next((i for i, each in enumerate(node) if last.is_in(each)), None)
            if index is not None:
                del node[index]
        elif node is not MISSING:
            node.pop(last, None)

    def _put(self, node: Any, step: str | Item, value: Any) -> None:
        if not isinstance(step, Item):
            if not isinstance(node, dict):
                raise DocumentError(f"{step} cannot be set: what should hold it is no object")
            node[step] = value
            return
        if not isinstance(node, list):
            raise DocumentError(f"{step.value} cannot be added: what should hold it is no list")
        index = next((i for i, each in enumerate(node) if step.is_in(each)), None)
        if index is None:
            node.append(value)
        else:
            node[index] = value
