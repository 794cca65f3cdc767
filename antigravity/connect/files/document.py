"""What all editors of configuration files have in common: paths, and an interface."""

from __future__ import annotations

from typing import Any, Final, Protocol

from msgspec import Struct


class Item(Struct, frozen=True):
    """The item of a list whose member ``name`` is ``value``."""

    name: str
    value: str

    def is_in(self, value: object) -> bool:
        """Return whether a value is this item."""
        return isinstance(value, dict) and value.get(self.name) == self.value


#: The way to a setting: names of members, and items of lists.
Path = tuple[str | Item, ...]


class _Missing:
    """What a setting is that is not there."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()


class DocumentError(Exception):
    """A file cannot be read or changed; the message is for the user."""


class Document(Protocol):
    """A configuration file that is being changed."""

    def set(self, path: Path, value: Any) -> None:
        """Set a setting; what is on the way to it and missing is created.

        :raises DocumentError: if a value on the way is of another kind.
        """

    def remove(self, path: Path) -> None:
        """Remove a setting, if it is there; what is on the way to it stays."""

    def plain(self) -> Any:
        """Return all settings."""

    def text(self) -> str:
        """Return the file."""


def find(data: Any, path: Path) -> Any:
    """Return the setting that a path leads to, or ``MISSING``."""
    for step in path:
        if isinstance(step, Item):
            items = data if isinstance(data, list) else []
            data = next((each for each in items if step.is_in(each)), MISSING)
        else:
            data = data.get(step, MISSING) if isinstance(data, dict) else MISSING
        if data is MISSING:
            return MISSING
    return data


def show(path: Path) -> str:
    """Return a path as it is shown to people."""
    return ".".join(f"[{step.value}]" if isinstance(step, Item) else step for step in path)
