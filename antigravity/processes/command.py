"""How a program is called."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct


class Command(Struct, frozen=True):
    """A program to run in ``directory``; its arguments and its environment may be secret.

    ``executable`` without a folder is looked for on the ``PATH`` of that environment.
    """

    executable: Path
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    directory: Path

    def __repr__(self) -> str:
        return f"<Command {self.executable.name}>"
