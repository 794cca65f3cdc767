"""Quota files: the last known quota of each account."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import msgspec

from antigravity.config.atomic import remove_leftovers, write_atomically
from antigravity.interfaces.quota import Quota
from antigravity.ir.json_reader import decode

_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]*")


class QuotaFiles:
    """The quotas in one home directory, by credential id.

    A file that cannot be read is ignored, since it will be written again soon.
    """

    def __init__(self, home: Path) -> None:
        self.directory = home / "state" / "quota"
        #: The modification time of each file when it was last read or written here.
        self._seen: dict[str, int] = {}

    def load(self) -> dict[str, Quota]:
        """Return all quotas."""
        self._seen = {}
        remove_leftovers(self.directory, age=60.0)
        return self.load_changed()

    def load_changed(self) -> dict[str, Quota]:
        """Return the quotas that other processes have written since the last call."""
        quotas = {}
        for path in self.directory.glob("*.json"):
            try:
                changed = path.stat().st_mtime_ns
                if self._seen.get(path.stem) == changed:
                    continue
                self._seen[path.stem] = changed
                quotas[path.stem] = decode(path.read_bytes(), Quota)
            except (OSError, msgspec.DecodeError, UnicodeDecodeError):
                continue
        return quotas

    def save(self, identifier: str, quota: Quota) -> None:
        """Write the quota of one account.

        :raises OSError: if it cannot be written.
        """
        for folder in (self.directory.parent, self.directory):  # not the home directory
            folder.mkdir(mode=0o700, exist_ok=True)
        path = self._path(identifier)
        write_atomically(path, msgspec.json.encode(quota))
        self._seen[identifier] = path.stat().st_mtime_ns

    def forget(self, identifiers: set[str]) -> None:
        """Remove the quotas of accounts that no longer exist."""
        for identifier in identifiers:
            self._path(identifier).unlink(missing_ok=True)
            self._seen.pop(identifier, None)

    def _path(self, identifier: str) -> Path:
        if not _ID.fullmatch(identifier):
            raise ValueError("not a valid credential id")
        return self.directory / f"{identifier}.json"
