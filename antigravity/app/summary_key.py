"""The key that seals the summaries of conversations, one for all processes of a home."""

from __future__ import annotations

import contextlib
import secrets
from pathlib import Path
from typing import Final

from antigravity.config.atomic import write_atomically
from antigravity.context.sealed_summary import KEY_SIZE
from antigravity.logs import make_logger

FILE: Final = "compaction.key"


class SummaryKey:
    """Finds the key in a directory, or makes it there; without one the key lasts as this object.

    Whichever process asks first makes the key.
    """

    log = make_logger()

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory

    def __call__(self) -> bytes:
        """Return the key; if it cannot be stored, one that is valid until the process ends."""
        own = secrets.token_bytes(KEY_SIZE)
        if self._directory is None:
            return own
        path = self._directory / FILE
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):
                write_atomically(path, own, replace=False)
            found = path.read_bytes()
        except OSError as error:
            self.log.error(
                "{name} cannot be used, so compacted conversations end with this process: {error}",
                name=FILE,
                error=str(error),
            )
            return own
        if len(found) == KEY_SIZE:
            return found
        self.log.error(
            "{name} is damaged, so compacted conversations end with this process; delete it",
            name=FILE,
        )
        return own
