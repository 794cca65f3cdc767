"""The command line of a program."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct


class Command(Struct, frozen=True):
    """A program to run in ``directory``; its arguments and environment can hold secrets.

    An ``executable`` without a folder is searched on the ``PATH`` of the environment.
    """

    executable: Path
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    directory: Path

    def __repr__(self) -> str:
        return f"<Command {self.executable.name}>"
